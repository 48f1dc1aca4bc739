package client

import (
	"context"
	"encoding/json"

	"tollgate/internal/account"
)

// Model is a deployment.
type Model struct {
	ModelName string `json:"model_name"`
	Params    struct {
		Model   string `json:"model"`
		APIBase string `json:"api_base"`
	} `json:"litellm_params"`
	Info struct {
		ID         string         `json:"id"`
		DBModel    bool           `json:"db_model"`
		Mode       string         `json:"mode"`
		InputCost  account.Amount `json:"input_cost_per_token"`
		OutputCost account.Amount `json:"output_cost_per_token"`
	} `json:"model_info"`
}

// ModelList is all deployments that the caller may see.
type ModelList struct {
	Data []Model `json:"data"`
}

// ListModels gives the deployments that the caller may see.
func (c *Client) ListModels(ctx context.Context) (Answer[ModelList], error) {
	return get[ModelList](ctx, c, "/model/info", nil)
}

// AddedModel is the answer for a new deployment.
type AddedModel struct {
	ModelID string `json:"model_id"`
}

// AddModel stores a deployment.
func (c *Client) AddModel(ctx context.Context, f Fields) (Answer[AddedModel], error) {
	return post[AddedModel](ctx, c, "/model/new", f)
}

// DeleteModel removes a stored deployment.
func (c *Client) DeleteModel(ctx context.Context, id string) (Answer[json.RawMessage], error) {
	return post[json.RawMessage](ctx, c, "/model/delete", Fields{"id": id})
}
