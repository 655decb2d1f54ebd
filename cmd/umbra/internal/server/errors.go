package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"umbra"
	"umbra/model/chat"
	"umbra/scheduler/grammar"
)

// apiError is an answer that is an error, in OpenAI's form.
type apiError struct {
	status  int
	kind    string
	code    any // a string or nil
	param   any
	message string
}

func (e *apiError) Error() string { return e.message }

const (
	invalidRequest = "invalid_request_error"
	serverError    = "server_error"
)

func invalid(param, format string, args ...any) *apiError {
	e := &apiError{status: http.StatusBadRequest, kind: invalidRequest, message: fmt.Sprintf(format, args...)}
	if param != "" {
		e.param = param
	}
	return e
}

func notFound(format string, args ...any) *apiError {
	return &apiError{status: http.StatusNotFound, kind: invalidRequest, code: "not_found", message: fmt.Sprintf(format, args...)}
}

func tooMany(taken, most int) *apiError {
	return &apiError{status: http.StatusTooManyRequests, kind: "rate_limit_error", code: "queue_full",
		message: fmt.Sprintf("%d sequences run or wait, of at most %d; try again later", taken, most)}
}

// errorOf makes what went wrong an answer.
func errorOf(err error) *apiError {
	var known *apiError
	var large *http.MaxBytesError
	var raised *chat.Exception
	var form *grammar.Error
	switch text := strings.TrimPrefix(err.Error(), "umbra: "); {
	case errors.As(err, &known):
		return known
	case errors.As(err, &large):
		return &apiError{status: http.StatusRequestEntityTooLarge, kind: invalidRequest, code: "body_too_large",
			message: fmt.Sprintf("the body is above %d bytes", large.Limit)}
	case errors.As(err, &raised), errors.Is(err, umbra.ErrNoTemplate):
		return invalid("messages", "%s", text)
	case errors.As(err, &form):
		return invalid(form.Package, "%s", text)
	case errors.Is(err, grammar.ErrAmbiguous), errors.Is(err, grammar.ErrDeep):
		return invalid("grammar", "%s", text)
	case errors.Is(err, umbra.ErrClosed):
		return &apiError{status: http.StatusServiceUnavailable, kind: serverError, code: "closed", message: text}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &apiError{status: 499, kind: serverError, code: "cancelled", message: "the request was cancelled"}
	case strings.HasPrefix(text, "scheduler: ") && !strings.HasPrefix(text, "scheduler: sequence "), strings.HasPrefix(text, "embed: scheduler: "),
		strings.HasPrefix(text, "nothing to embed"), strings.HasPrefix(text, "pooling "), strings.HasPrefix(text, "chat: "):
		e := invalid("", "%s", strings.TrimPrefix(text, "scheduler: "))
		if strings.Contains(text, "context") || strings.Contains(text, "blocks") {
			e.code = "context_length_exceeded"
		}
		return e
	default:
		return &apiError{status: http.StatusInternalServerError, kind: serverError, message: text}
	}
}

// body is the error as JSON has it.
func (e *apiError) body() any {
	return map[string]any{"error": map[string]any{"message": e.message, "type": e.kind, "param": e.param, "code": e.code}}
}

// fail answers with an error.
func (s *Server) fail(w http.ResponseWriter, err error) {
	e := errorOf(err)
	if e.status == http.StatusTooManyRequests || e.code == "loading" {
		w.Header().Set("Retry-After", "1")
	}
	if e.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	s.answer(w, e.status, e.body())
}

// answer writes JSON.
func (s *Server) answer(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"error":{"message":"an answer that is no JSON","type":"server_error","param":null,"code":null}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(data, '\n'))
}

// bodyTime is how long a client may take to send a body. A deadline of the whole request would end long streams.
const bodyTime = time.Minute

// read reads a request's body into v.
func (s *Server) read(w http.ResponseWriter, r *http.Request, v any) error {
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(bodyTime))
	defer control.SetReadDeadline(time.Time{})
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.options.Body))
	if err == nil {
		err = decode(data, v)
	}
	var large *http.MaxBytesError
	var known *apiError
	switch {
	case err == nil, errors.As(err, &large), errors.As(err, &known):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &apiError{status: http.StatusRequestTimeout, kind: invalidRequest, code: "body_too_slow", message: fmt.Sprintf("the body did not come within %v", bodyTime)}
	}
	return invalid("", "the body is not the JSON that is wanted: %v", err)
}
