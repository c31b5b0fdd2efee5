package main

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"strings"
)

// The Extensions API. Without it there is nothing left to do, so its failures end the process.
type platform struct {
	base string
	id   string
}

func (p *platform) register(name string) {
	request, _ := http.NewRequest("POST", p.base+"/register", strings.NewReader(`{"events": ["SHUTDOWN"]}`))
	request.Header.Set("Lambda-Extension-Name", name)
	header, _ := p.send(request)
	p.id = header.Get("Lambda-Extension-Identifier")
}

// Waits for the next event and gives its type.
func (p *platform) next() string {
	request, _ := http.NewRequest("GET", p.base+"/event/next", nil)
	_, body := p.send(request)
	var event struct{ EventType string }
	if err := json.Unmarshal(body, &event); err != nil {
		log.Fatalf("secrets: an event that is no JSON: %v", err)
	}
	return event.EventType
}

func (p *platform) post(path, errorType string) {
	request, _ := http.NewRequest("POST", p.base+path, strings.NewReader("{}"))
	request.Header.Set("Lambda-Extension-Function-Error-Type", errorType)
	p.send(request)
}

func (p *platform) send(request *http.Request) (http.Header, []byte) {
	if p.id != "" {
		request.Header.Set("Lambda-Extension-Identifier", p.id)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatalf("secrets: %v", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 {
		log.Fatalf("secrets: %s: status %d, %v", request.URL.Path, response.StatusCode, err)
	}
	return response.Header, body
}
