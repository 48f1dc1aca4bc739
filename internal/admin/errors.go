package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// refuse makes a refusal in LiteLLM's words: its type is what LiteLLM gives the status on management routes.
func refuse(status int, format string, args ...any) *apierr.Error {
	e := &apierr.Error{Status: status, Message: format}
	if len(args) > 0 {
		e.Message = fmt.Sprintf(format, args...)
	}
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		e.Type = "bad_request_error"
	case http.StatusUnauthorized, http.StatusForbidden:
		e.Type = "auth_error"
	case http.StatusNotFound:
		e.Type = "not_found_error"
	default:
		e.Type = "internal_server_error"
	}
	return e
}

func badRequest(format string, args ...any) *apierr.Error {
	return refuse(http.StatusBadRequest, format, args...)
}

func forbidden(format string, args ...any) *apierr.Error {
	return refuse(http.StatusForbidden, format, args...)
}

func notFound(format string, args ...any) *apierr.Error {
	return refuse(http.StatusNotFound, format, args...)
}

// named says which field of the request a refusal is about.
func named(param string, e *apierr.Error) *apierr.Error {
	e.Param = param
	return e
}

// invalid is the answer to a request whose fields have wrong types, FastAPI's detail beside the envelope.
func invalid(problems []problem) *apierr.Error {
	var text strings.Builder
	for i, p := range problems {
		if i > 0 {
			text.WriteString("; ")
		}
		fmt.Fprintf(&text, "%v: %s", p.Loc[len(p.Loc)-1], p.Msg)
	}
	e := refuse(http.StatusUnprocessableEntity, "%s", text.String())
	e.Detail = problems
	if len(problems) == 1 {
		e.Param, _ = problems[0].Loc[len(problems[0].Loc)-1].(string)
	}
	return e
}

// noDatabase says that there is no database. LiteLLM answers so in its stateless mode.
func noDatabase() *apierr.Error {
	return &apierr.Error{
		Status: http.StatusInternalServerError, Type: "no_db_connection",
		Message: "DB not connected. See https://docs.litellm.ai/docs/proxy/virtual_keys. This gateway was started without a database (DATABASE_URL or --data-dir).",
	}
}

// shown turns an error of a handler into what the caller sees.
func shown(err error) *apierr.Error {
	var known *apierr.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, account.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return &apierr.Error{
			Status: http.StatusServiceUnavailable, Type: "no_db_connection", Cause: err,
			Message: "Service Unavailable, the database is temporarily unreachable. Please retry shortly.",
		}
	case errors.Is(err, account.ErrNotFound):
		return notFound("Not found in database")
	case errors.Is(err, account.ErrExists):
		return badRequest("An object with this id or alias exists already.")
	}
	return apierr.From(err)
}

// orElse is err, or a refusal where there is none: for "not there, or not known whether".
func orElse(err error, refusal *apierr.Error) error {
	if err != nil {
		return err
	}
	return refusal
}
