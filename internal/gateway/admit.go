package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"tollgate/internal/access"
	"tollgate/internal/apierr"
	"tollgate/internal/dispatch"
	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// admit decides whether the call is one that we make, and turns what the caller says to the gateway (rather
// than to a model) into the query for dispatch.
func (q *request) admit() error {
	q.chooseModel()
	if q.alias == "" {
		return missing(q.op, "model")
	}
	q.forwarded = q.forwardedHeaders()
	var err error
	if q.query, err = q.newQuery(); err != nil {
		return err
	}
	if err := q.admitModel(); err != nil {
		return err
	}
	if err := q.checkCredentials(); err != nil {
		return err
	}
	for _, fb := range q.query.Fallbacks {
		if _, known := q.snap.Router.Resolve(fb.Model); !known {
			return dispatch.UnknownModel(q.op, fb.Model)
		}
	}
	return q.checkRequired()
}

// admitModel asks access whether the caller may call this model, and what the call is held to.
func (q *request) admitModel() error {
	q.noteRequest()
	q.rec.Tags = q.query.Tags // until it is known which of them count
	q.rec.EndUser = q.endUser()
	_, hasUser := q.body.Get("user")
	call := access.ModelCall{
		Route: &q.route.Route, Model: q.alias, Resolve: q.resolve, EndUser: q.rec.EndUser, HasUser: hasUser, Tags: q.query.Tags,
		HasParam: q.hasParam, Free: q.free,
	}
	call.Fallbacks = q.askedFallbacks()
	admission, err := q.snap.Gate.AdmitModel(q.ctx, &q.caller, &call)
	if err != nil {
		return err
	}
	q.admission = admission
	q.alias, q.query.Alias, q.query.Tags = admission.Model, admission.Model, admission.Tags
	if q.g.opts.Alerts != nil {
		q.g.opts.Alerts.Started(q.rec.ID, q.rec.Alias, q.rec.Started)
	}
	q.query.Pay = q.payFor
	q.rec.Tags, q.rec.KeyMetadata, q.rec.Charges = admission.Tags, admission.Metadata, admission.Charges
	q.rec.EndUser = admission.EndUser
	return nil
}

// askedFallbacks are the names that the caller's own lists of fallbacks lead to: each is a model that it calls.
func (q *request) askedFallbacks() []string {
	var names []string
	add := func(list []dispatch.Fallback) {
		for _, fb := range list {
			if !slices.Contains(names, fb.Model) {
				names = append(names, fb.Model)
			}
		}
	}
	add(q.query.Fallbacks)
	for _, lists := range [...]map[string][]dispatch.Fallback{q.query.ContextWindowFallbacks, q.query.ContentPolicyFallbacks} {
		for _, list := range lists {
			add(list)
		}
	}
	slices.Sort(names) // maps have no order, and the first that is not allowed is named
	return names
}

// resolve is the group that a name is served by.
func (q *request) resolve(name string) string {
	res, _ := q.snap.Router.Resolve(name)
	return res.Group
}

// free reports whether a model costs nothing by the operator's word, and nothing that the operator has it fall back to.
func (q *request) free(model string) bool {
	names := []string{model}
	for _, kind := range [...]string{"general", "context_window", "content_policy"} {
		for _, fb := range q.snap.Router.FallbacksOf(model, kind) {
			names = append(names, fb.Model)
		}
	}
	for _, name := range names {
		deployments := q.snap.Router.Deployments(name)
		if len(deployments) == 0 || slices.ContainsFunc(deployments, func(d *dispatch.Deployment) bool { r := q.snap.Models.rates(d); return !r.Free() }) {
			return false
		}
	}
	return true
}

// hasParam reports whether the body has a field, which may be one of an object: "metadata.generation_name".
func (q *request) hasParam(path string) bool {
	members := q.body.Members
	for {
		name, rest, nested := strings.Cut(path, ".")
		value, ok := jsonscan.Find(members, name)
		if !ok || string(value) == "null" {
			return false
		}
		if !nested {
			return true
		}
		inner, err := jsonscan.InnerObject(value, nil)
		if err != nil {
			return false
		}
		members, path = inner, rest
	}
}

// endUser is the customer that the call is made for: as LiteLLM, by header, by user, or by Anthropic's metadata.user_id.
func (q *request) endUser() string {
	for _, name := range [...]string{q.snap.UserHeader, "X-Litellm-Customer-Id", "X-Litellm-End-User-Id"} {
		if name == "" {
			continue
		}
		if id := q.r.Header.Get(name); id != "" {
			return id
		}
	}
	if id := openai.StringMember(q.body.Members, "user"); id != "" {
		return id
	}
	raw, ok := q.body.Get("metadata")
	if !ok {
		return ""
	}
	metadata, err := jsonscan.InnerObject(raw, nil)
	if err != nil {
		return "" // a text, mostly
	}
	return openai.StringMember(metadata, "user_id")
}

// chooseModel applies, in LiteLLM's order, the operator's override, the path and the body; then the alias map.
func (q *request) chooseModel() {
	q.asked = q.body.Model
	model := q.body.Model
	if q.pathModel != "" {
		model = q.pathModel
	}
	if o := q.snap.Overrides[q.op]; o != "" {
		model = o
	}
	if to, ok := q.snap.ModelAliases[model]; ok {
		model = to
	}
	q.alias = model
	q.rec.Alias, q.rec.Stream = clip(model), q.body.Stream
}

// requiredFields are refused here when they are absent, so that the message names them whatever the upstream.
var requiredFields = map[openai.Operation][]string{
	openai.OpChat: {"messages"}, openai.OpCompletion: {"prompt"}, openai.OpEmbedding: {"input"}, openai.OpRerank: {"query", "documents"},
}

func (q *request) checkRequired() error {
	for _, name := range requiredFields[q.op] {
		if _, ok := q.body.Get(name); !ok {
			return missing(q.op, name)
		}
	}
	if messages, ok := q.body.Get("messages"); ok && q.op == openai.OpChat && messages[0] != '[' {
		return &apierr.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Param: "messages", Message: string(q.op) + ": Invalid type for 'messages': expected an array of message objects."}
	}
	return nil
}

func missing(op openai.Operation, name string) error {
	return &apierr.Error{
		Status: http.StatusBadRequest, Type: "invalid_request_error", Param: name,
		Message: fmt.Sprintf("%s: Missing required parameter: '%s'.", op, name),
	}
}
