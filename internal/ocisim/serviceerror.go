package ocisim

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// serviceError is an error as the service tells it: an HTTP status and the flat body {"code","message"}.
type serviceError struct {
	status     int
	code       string
	message    string
	retryAfter string // Retry-After header, sent when not empty
	bare       any    // body to send in place of the flat one: the OpenAI-compatible surface's own shape
}

// Error describes the failure for the log.
func (e *serviceError) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.code, e.message) }

func badParameter(format string, args ...any) *serviceError {
	return &serviceError{status: http.StatusBadRequest, code: "InvalidParameter", message: fmt.Sprintf(format, args...)}
}

func missingParameter(format string, args ...any) *serviceError {
	return &serviceError{status: http.StatusBadRequest, code: "MissingParameter", message: fmt.Sprintf(format, args...)}
}

func unparsable(format string, args ...any) *serviceError {
	return &serviceError{status: http.StatusBadRequest, code: "CannotParseRequest", message: fmt.Sprintf(format, args...)}
}

func internalError() *serviceError {
	return &serviceError{status: http.StatusInternalServerError, code: "InternalServerError", message: "Internal error"}
}

// plainRejection is a model-side 400 whose message is a sentence: the code is the status as text.
func plainRejection(format string, args ...any) *serviceError {
	return &serviceError{status: http.StatusBadRequest, code: "400", message: fmt.Sprintf(format, args...)}
}

// modelRejection is a model-side 400 whose message is the vendor's own error body, encoded as JSON a second time.
func modelRejection(inner any) *serviceError {
	b, err := json.Marshal(inner)
	if err != nil { // inner is one of the literal shapes below
		return internalError()
	}
	return &serviceError{status: http.StatusBadRequest, code: "400", message: string(b)}
}

// openAIInner is the error body of OpenAI's models.
type openAIInner struct {
	Error openAIInnerError `json:"error"`
}

type openAIInnerError struct {
	Message string `json:"message"`
	Type    string `json:"type"`
	Param   string `json:"param"`
	Code    string `json:"code"`
}

func openAIRejection(param, code, message string) *serviceError {
	return modelRejection(openAIInner{openAIInnerError{message, "invalid_request_error", param, code}})
}

// xaiRejection is the error body of xAI's models.
func xaiRejection(message string) *serviceError {
	return modelRejection(struct {
		Code  string `json:"code"`
		Error string `json:"error"`
	}{"Client specified an invalid argument", message})
}

// cohereRejection is the error body of Cohere's models.
func cohereRejection(message string) *serviceError {
	return modelRejection(struct {
		Message string `json:"message"`
	}{message})
}

// googleRejection is the error body of Google's models.
func googleRejection(message string) *serviceError {
	type inner struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Status  string `json:"status"`
	}
	return modelRejection(struct {
		Error inner `json:"error"`
	}{inner{http.StatusBadRequest, message, "INVALID_ARGUMENT"}})
}
