// Command bootstrap is a function in Go on the Lambda Runtime API alone: greets, echoes its event, and
// shows what a function can learn about its own invocation. It needs nothing but the standard library;
// a function of your own would rather use github.com/aws/aws-lambda-go, which runs unchanged.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"time"
)

// invocation is one event with what the platform says about it.
type invocation struct {
	requestID   string
	functionARN string
	deadline    time.Time
	event       []byte
}

// failure is the document that callers of a failed invocation get.
type failure struct {
	Message string `json:"errorMessage"`
	Type    string `json:"errorType"`
}

func main() {
	runtime := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		if err := serve(runtime); err != nil {
			// An invocation whose fate is unknown must not be repeated: the environment ends.
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// serve handles one invocation.
func serve(runtime string) error {
	current, err := next(runtime)
	if err != nil {
		return fmt.Errorf("next invocation: %w", err)
	}
	response, err := handle(current)
	if err != nil {
		return post(runtime+current.requestID+"/error", failure{Message: err.Error(), Type: typeName(err)})
	}
	return post(runtime+current.requestID+"/response", response)
}

// handle is the function.
func handle(current invocation) (any, error) {
	var event map[string]any
	if err := json.Unmarshal(current.event, &event); err != nil {
		return nil, err
	}
	name, ok := event["name"].(string)
	if !ok {
		name = "world"
	}
	fmt.Println("greeting", name)
	return map[string]any{
		"greeting": "Hello, " + name + "!",
		"event":    event,
		"context": map[string]any{
			"request_id":           current.requestID,
			"function_name":        os.Getenv("AWS_LAMBDA_FUNCTION_NAME"),
			"version":              os.Getenv("AWS_LAMBDA_FUNCTION_VERSION"),
			"invoked_function_arn": current.functionARN,
			"remaining_ms":         time.Until(current.deadline).Milliseconds(),
		},
	}, nil
}

// typeName is what callers know an error by.
func typeName(err error) string {
	kind := reflect.TypeOf(err)
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	return kind.Name()
}

// next waits for an event, however long that takes.
func next(runtime string) (invocation, error) {
	answer, err := http.Get(runtime + "next")
	if err != nil {
		return invocation{}, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return invocation{}, fmt.Errorf("the Runtime API answered %s", answer.Status)
	}
	event, err := io.ReadAll(answer.Body)
	if err != nil {
		return invocation{}, err
	}
	deadline, err := strconv.ParseInt(answer.Header.Get("Lambda-Runtime-Deadline-Ms"), 10, 64)
	if err != nil {
		return invocation{}, err
	}
	return invocation{
		requestID:   answer.Header.Get("Lambda-Runtime-Aws-Request-Id"),
		functionARN: answer.Header.Get("Lambda-Runtime-Invoked-Function-Arn"),
		deadline:    time.UnixMilli(deadline),
		event:       event,
	}, nil
}

// post sends a document and checks that it was taken.
func post(url string, document any) error {
	body, err := json.Marshal(document)
	if err != nil {
		return err
	}
	answer, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("post to %s: %w", url, err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusAccepted {
		return fmt.Errorf("post to %s: the Runtime API answered %s", url, answer.Status)
	}
	return nil
}
