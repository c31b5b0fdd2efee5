// Fetches secrets before the function starts and serves them to it on localhost:2773, in the form of AWS's own
// "Parameters and Secrets" extension. SECRETS names them, separated by commas.
//
// It asks Secrets Manager (AWS_ENDPOINT_URL_SECRETS_MANAGER, AWS_ENDPOINT_URL, or AWS itself) with the role's credentials
// of the function. The runtime is started when all extensions have registered: by then the secrets are here. If they
// cannot be had, that is an init error, and the function does not start without them. Values are never logged.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	address      = "127.0.0.1:2773"
	fetchMax     = 5 * time.Second
	betweenTries = 20 * time.Millisecond
	answerMax    = 1 << 20
)

func main() {
	log.SetFlags(0)
	platform := &platform{base: "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2020-01-01/extension"}
	secrets, failure := fetchAll(strings.Split(os.Getenv("SECRETS"), ","))
	if failure == nil {
		failure = serve(secrets)
	}
	platform.register(filepath.Base(os.Args[0]))
	if failure != nil {
		log.Printf("secrets: %v", failure)
		platform.post("/init/error", "Extension.SecretsUnavailable")
		os.Exit(1)
	}
	log.Printf("secrets: %d ready", len(secrets))
	for platform.next() != "SHUTDOWN" {
	}
}

func fetchAll(names []string) (map[string]json.RawMessage, error) {
	found := map[string]json.RawMessage{}
	for _, name := range names {
		name = strings.TrimSpace(name)
		answer, err := fetch(name)
		if err != nil {
			return nil, fmt.Errorf("cannot fetch %q: %w", name, err)
		}
		found[name] = answer
	}
	return found, nil
}

// What may just have to be tried again is tried again for a while.
func fetch(name string) (json.RawMessage, error) {
	end := time.Now().Add(fetchMax)
	for {
		answer, again, err := getSecretValue(name)
		if err == nil || !again || time.Now().After(end) {
			return answer, err
		}
		time.Sleep(betweenTries)
	}
}

func getSecretValue(name string) (answer json.RawMessage, again bool, err error) {
	body, _ := json.Marshal(map[string]string{"SecretId": name})
	request, err := http.NewRequest("POST", endpoint()+"/", bytes.NewReader(body))
	if err != nil {
		return nil, false, err
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "secretsmanager.GetSecretValue")
	sign(request, body, "secretsmanager", time.Now().UTC())
	response, err := (&http.Client{Timeout: fetchMax}).Do(request)
	if err != nil {
		return nil, true, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, answerMax))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", response.StatusCode)
	}
	return answer, response.StatusCode >= 500, err
}

func endpoint() string {
	for _, variable := range []string{"AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL"} {
		if url := os.Getenv(variable); url != "" {
			return strings.TrimRight(url, "/")
		}
	}
	return "https://secretsmanager." + os.Getenv("AWS_REGION") + ".amazonaws.com"
}

// GET /secretsmanager/get?secretId=NAME with the session token, so that only the function's own processes are served.
func serve(secrets map[string]json.RawMessage) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	handler := http.NewServeMux()
	handler.HandleFunc("/secretsmanager/get", func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get("X-Aws-Parameters-Secrets-Token")
		secret, found := secrets[r.URL.Query().Get("secretId")]
		switch {
		case token == "" || token != os.Getenv("AWS_SESSION_TOKEN"):
			http.Error(w, "not authorized", http.StatusUnauthorized)
		case !found:
			http.Error(w, "no such secret", http.StatusNotFound)
		default:
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(secret)
		}
	})
	go func() { log.Fatalf("secrets: %v", http.Serve(listener, handler)) }()
	return nil
}
