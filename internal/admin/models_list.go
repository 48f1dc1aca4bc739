package admin

import (
	"cmp"
	"context"
	"slices"
	"strings"
)

type modelInfoRequest struct {
	Page    Opt[int64] `json:"page"`
	Size    Opt[int64] `json:"size"`
	Search  Opt[ID]    `json:"search"`
	ModelID Opt[ID]    `json:"model_id"`
	Model   Opt[ID]    `json:"model"`
	SortBy  Opt[ID]    `json:"sort_by"`
	Order   Opt[ID]    `json:"sort_order"`
	TeamID  Declined   `json:"team_id" because:"a deployment belongs to no team"`
}

// modelSorts are the fields by which deployments can be listed.
var modelSorts = []string{"model_name", "model_id"}

// modelInfoV2 is GET /v2/model/info: the deployments in force, page by page.
func (a *API) modelInfoV2(_ context.Context, _ *call, in modelInfoRequest) (any, error) {
	p, refused := pageOf(in.Page, in.Size, 50, maxActivityPage)
	if refused != nil {
		return nil, refused
	}
	by, desc, refused := sorting(in.SortBy, in.Order, "model_name", "asc", modelSorts)
	if refused != nil {
		return nil, refused
	}
	all := slices.DeleteFunc(slices.Clone(a.opts.Models.Deployments()), func(d map[string]any) bool { return !in.matches(d) })
	if in.SortBy.Given() {
		sortDeployments(all, by, desc)
	}
	return row{"data": orEmpty(cut(all, p)), "total_count": len(all), "current_page": p.number, "total_pages": p.pages(len(all)), "size": p.size}, nil
}

// matches reports whether a deployment is one that the request asks for.
func (in *modelInfoRequest) matches(d map[string]any) bool {
	name, id := nameAndID(d)
	return (!in.Search.Given() || strings.Contains(strings.ToLower(name), strings.ToLower(string(in.Search.Value)))) &&
		(!in.Model.Given() || name == string(in.Model.Value)) && (!in.ModelID.Given() || id == string(in.ModelID.Value))
}

func nameAndID(d map[string]any) (name, id string) {
	info, _ := d["model_info"].(map[string]any)
	id, _ = info["id"].(string)
	name, _ = d["model_name"].(string)
	return name, id
}

func sortDeployments(all []map[string]any, by string, desc bool) {
	slices.SortStableFunc(all, func(a, b map[string]any) int {
		if desc {
			a, b = b, a
		}
		nameA, idA := nameAndID(a)
		nameB, idB := nameAndID(b)
		if by == "model_id" {
			return cmp.Compare(idA, idB)
		}
		return cmp.Compare(nameA, nameB)
	})
}
