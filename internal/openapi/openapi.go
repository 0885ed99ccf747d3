// Package openapi compares HTTP traffic with docs/contract/openapi.yaml, the description of the API. Only tests use it.
//
// The description lets clients and servers send members that it does not know. The package is stricter with what this
// server sends: a member that is not described fails, so code and description cannot drift apart.
package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"or3.chat/cloud/internal/recorded"
)

// File is where the description is, below the root of the module.
const File = "docs/contract/openapi.yaml"

// What exists below both prefixes of the administration is described once.
const adminPrefix, ownPrefix = "/api/admin/", "/api/or3/admin/"

// Document is the description.
type Document struct {
	root       map[string]any
	operations map[string]*Operation
	// answers are strict, requests are not. earlier are the schemas of a server that knows nothing of what came later;
	// they are strict, too.
	answers, requests, earlier schemas
}

// Operation is a method of a path.
type Operation struct {
	// Name is the method and the path as the router has it, such as "GET /api/jobs/:id/status".
	Name string
	doc  *Document
	at   string // a JSON pointer
	said map[string]any
}

// Read returns the description of the module that the test belongs to.
func Read() (*Document, error) { return fromFile() }

var fromFile = sync.OnceValues(func() (*Document, error) {
	root, err := recorded.Root()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(root + "/" + File)
	if err != nil {
		return nil, err
	}
	return parse(text)
})

func parse(text []byte) (*Document, error) {
	d := &Document{operations: map[string]*Operation{}}
	if err := yaml.Unmarshal(text, &d.root); err != nil {
		return nil, fmt.Errorf("%s: %w", File, err)
	}
	paths, _ := d.root["paths"].(map[string]any)
	for path, item := range paths {
		for method, said := range item.(map[string]any) {
			if method == "parameters" {
				continue
			}
			name := strings.ToUpper(method) + " " + strings.NewReplacer("{", ":", "}", "").Replace(path)
			d.operations[name] = &Operation{name, d, "/paths/" + escape(path) + "/" + method, said.(map[string]any)}
		}
	}
	for s, change := range map[*schemas]func(map[string]any){
		&d.answers: closed, &d.requests: func(map[string]any) {}, &d.earlier: func(schema map[string]any) { closed(schema); withoutLater(schema) },
	} {
		var root map[string]any
		if err := yaml.Unmarshal(text, &root); err != nil {
			return nil, err
		}
		visit(root, change)
		if err := s.compile(root); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// visit calls f with each part of a document that describes an object.
func visit(part any, f func(schema map[string]any)) {
	switch part := part.(type) {
	case map[string]any:
		if _, ok := part["properties"].(map[string]any); ok {
			f(part)
		}
		for _, member := range part {
			visit(member, f)
		}
	case []any:
		for _, entry := range part {
			visit(entry, f)
		}
	}
}

// closed forbids members that are not described.
func closed(schema map[string]any) {
	if _, ok := schema["additionalProperties"]; !ok {
		schema["additionalProperties"] = false
	}
}

// withoutLater demands no member that the servers of February 2026 do not send.
func withoutLater(schema map[string]any) {
	required, _ := schema["required"].([]any)
	schema["required"] = slices.DeleteFunc(required, func(name any) bool {
		property, _ := schema["properties"].(map[string]any)[name.(string)].(map[string]any)
		return property["x-since"] != nil
	})
	if len(schema["required"].([]any)) == 0 {
		delete(schema, "required")
	}
}

// schemas are the schemas of a document.
type schemas struct {
	mu       sync.Mutex
	compiler *jsonschema.Compiler
}

const address = "https://or3.chat/openapi.json"

func (s *schemas) compile(root map[string]any) error {
	text, err := json.Marshal(root)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	s.compiler = jsonschema.NewCompiler()
	s.compiler.DefaultDraft(jsonschema.Draft2020)
	s.compiler.AssertFormat()
	return s.compiler.AddResource(address, value)
}

// check compares a JSON text with the schema at a JSON pointer.
func (s *schemas) check(at string, text []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	s.mu.Lock()
	schema, err := s.compiler.Compile(address + "#" + at)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// escape writes a name as a JSON pointer in the fragment of a URL has it.
func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D", " ", "%20").Replace(name)
}

// Operations returns the names of all operations, in order.
func (d *Document) Operations() []string { return slices.Sorted(maps.Keys(d.operations)) }

// Find returns the operation that a request is for; nil if none is described. A literal part of a path counts more than
// a parameter.
func (d *Document) Find(method, path string) *Operation {
	found := d.find(method, path)
	if rest, ok := strings.CutPrefix(path, ownPrefix); ok && found == nil {
		found = d.find(method, adminPrefix+rest)
	}
	return found
}

func (d *Document) find(method, path string) *Operation {
	var found *Operation
	for name, op := range d.operations {
		m, template, _ := strings.Cut(name, " ")
		if m == method && fits(template, path) && (found == nil || strings.Count(name, ":") < strings.Count(found.Name, ":")) {
			found = op
		}
	}
	return found
}

func fits(template, path string) bool {
	parts, given := strings.Split(template, "/"), strings.Split(path, "/")
	return len(parts) == len(given) && !slices.ContainsFunc(parts, func(part string) bool {
		at := given[0]
		given = given[1:]
		return part != at && !strings.HasPrefix(part, ":")
	})
}

// Earlier says that traffic is that of a server of February 2026.
type Earlier bool

// CheckRequest compares the body of a request that was answered with success.
func (o *Operation) CheckRequest(kind string, body []byte, earlier Earlier) error {
	said, ok := o.said["requestBody"].(map[string]any)
	switch {
	case !ok && len(body) > 0 && strings.TrimSpace(string(body)) != "{}":
		return errors.New("no body is described")
	case !ok, len(body) == 0 && said["required"] != true:
		return nil
	}
	s := &o.doc.requests
	if earlier {
		s = &o.doc.earlier
	}
	return o.check(s, said, o.at+"/requestBody", kind, body)
}

// answer returns what is said of a status, and where.
func (o *Operation) answer(status int) (said map[string]any, at string, err error) {
	at = o.at + "/responses/" + strconv.Itoa(status)
	said, ok := o.said["responses"].(map[string]any)[strconv.Itoa(status)].(map[string]any)
	if !ok && status == http.StatusNotFound { // that of a route which is switched off
		said, ok = map[string]any{"$ref": "#/components/responses/NotFound"}, true
	}
	if !ok {
		return nil, "", fmt.Errorf("the status %d is not described", status)
	}
	if ref, ok := said["$ref"].(string); ok {
		at = strings.TrimPrefix(ref, "#")
		if said, ok = o.doc.resolve(ref); !ok {
			return nil, "", fmt.Errorf("there is no %s", ref)
		}
	}
	return said, at, nil
}

// CheckAnswer compares an answer.
func (o *Operation) CheckAnswer(status int, kind string, body []byte, earlier Earlier) error {
	said, at, err := o.answer(status)
	if err != nil {
		return err
	}
	s := &o.doc.answers
	if earlier {
		s = &o.doc.earlier
	}
	return o.check(s, said, at, kind, body)
}

// check compares a body with what is said of it at a JSON pointer.
func (o *Operation) check(s *schemas, said map[string]any, at, kind string, body []byte) error {
	contents, _ := said["content"].(map[string]any)
	if len(contents) == 0 {
		if len(body) > 0 {
			return errors.New("no body is described")
		}
		return nil
	}
	kind, _, _ = mime.ParseMediaType(kind)
	for _, described := range []string{kind, "*/*"} {
		if _, ok := contents[described]; !ok {
			continue
		}
		if described != "application/json" {
			return nil
		}
		return s.check(at+"/content/application~1json/schema", body)
	}
	return fmt.Errorf("the type %q is not described", kind)
}

// resolve returns a component.
func (d *Document) resolve(ref string) (map[string]any, bool) {
	var part any = d.root
	for _, name := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		object, ok := part.(map[string]any)
		if !ok {
			return nil, false
		}
		part = object[name]
	}
	found, ok := part.(map[string]any)
	return found, ok
}
