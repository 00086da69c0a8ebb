package githubtest

import (
	"net/http"
)

// apiError is an answer that is not a success, with the body GitHub gives it.
type apiError struct {
	status  int
	message string
	errors  []doc
	header  http.Header
	docs    string
}

func (e *apiError) Error() string { return e.message }

func (e *apiError) body() doc {
	docs := e.docs
	if docs == "" {
		docs = "https://docs.github.com/rest"
	}
	d := doc{"message": e.message, "documentation_url": docs, "status": http.StatusText(e.status)}
	if e.errors != nil {
		d["errors"] = e.errors
	}
	return d
}

var (
	errNotFound       = &apiError{status: http.StatusNotFound, message: "Not Found"}
	errBadCredentials = &apiError{status: http.StatusUnauthorized, message: "Bad credentials"}
)

func unauthorized(message string) *apiError {
	return &apiError{status: http.StatusUnauthorized, message: message}
}

func forbidden(message string) *apiError {
	return &apiError{status: http.StatusForbidden, message: message}
}

func badRequest(message string) *apiError {
	return &apiError{status: http.StatusBadRequest, message: message}
}

func conflict(message string) *apiError {
	return &apiError{status: http.StatusConflict, message: message}
}

// invalid is 422 without fields, the form of GitHub's newer, schema-checked endpoints.
func invalid(message string) *apiError {
	return &apiError{status: http.StatusUnprocessableEntity, message: message}
}

// invalidRequest is the answer of the Checks API to a body that breaks its schema.
func invalidRequest(detail string) *apiError {
	return &apiError{status: http.StatusUnprocessableEntity, message: "Invalid request.\n\n" + detail}
}

// validationFailed is 422 with fields, the older form.
func validationFailed(resource, field, code, message string) *apiError {
	d := doc{"resource": resource, "field": field, "code": code}
	if message != "" {
		d["message"] = message
	}
	return &apiError{status: http.StatusUnprocessableEntity, message: "Validation Failed", errors: []doc{d}}
}
