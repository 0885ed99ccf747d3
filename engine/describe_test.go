package engine

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/engine/place"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/safeint"
	"or3.chat/cloud/jobs"
)

// object is a JSON object of the description.
type object = map[string]any

// describe makes the description of the protocol from the Go types that are read and written and from their comments.
func describe(t *testing.T) []byte {
	d := describer{schemas: object{}, types: map[string]reflect.Type{}, comments: commentsIn(t, ".", "place", "..", "../syncwire")}
	errors := object{"default": object{"description": "An error.", "content": content(d.schema(reflect.TypeFor[place.Fault]()))}}
	paths := object{
		place.HelloPath: object{"post": operation("hello", "Versions, state and what can be asked. Answered in every state; 409 if no version is common.",
			content(d.schema(reflect.TypeFor[place.Introduction]())), ok(content(d.schema(reflect.TypeFor[place.Hello]())), errors))},
		place.StayPath: object{"get": operation("stay", "Keeps the engine alive as long as the request lasts; events named \"state\" tell how far it is.",
			nil, ok(eventContent(d.schema(reflect.TypeFor[place.StateEvent]())), errors))},
	}
	for _, m := range protocol() {
		verb, answer := "post", object(nil)
		var body object
		if m.stream {
			verb, answer = "get", eventContent(d.schema(m.out))
		} else {
			body, answer = content(d.schema(m.in)), content(d.schema(m.out))
		}
		op := operation(m.name, m.help, body, ok(answer, errors))
		params := []any{object{
			"name": callerHeader, "in": "header", "required": m.forUser,
			"description": "encodeURIComponent of the JSON of this.", "content": content(d.schema(reflect.TypeFor[Caller]())),
		}}
		for _, name := range m.query {
			params = append(params, object{"name": name, "in": "query", "required": true, "schema": object{"type": "string"}})
		}
		op["parameters"] = params
		paths[place.Prefix+m.name] = object{verb: op}
	}
	text, err := json.MarshalIndent(object{
		"openapi": "3.1.0",
		"info":    object{"title": "OR3 Cloud engine protocol", "version": "1", "description": "The provider contracts of OR3 Cloud over a local socket (docs/engine.md)."},
		"paths":   paths, "components": object{"schemas": d.schemas},
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// commentsIn reads the comments on the types of packages and on their fields, by "Type" and "Type.Field".
func commentsIn(t *testing.T, dirs ...string) map[string]string {
	out := map[string]string{}
	add := func(name string, groups ...*ast.CommentGroup) {
		for _, g := range groups {
			if text := strings.Join(strings.Fields(g.Text()), " "); text != "" && out[name] == "" {
				out[name] = text
			}
		}
	}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GenDecl:
					if len(n.Specs) == 1 {
						if spec, ok := n.Specs[0].(*ast.TypeSpec); ok {
							add(spec.Name.Name, spec.Doc, n.Doc)
						}
					}
				case *ast.TypeSpec:
					add(n.Name.Name, n.Doc)
					if s, ok := n.Type.(*ast.StructType); ok {
						for _, f := range s.Fields.List {
							for _, field := range f.Names {
								add(n.Name.Name+"."+field.Name, f.Doc, f.Comment)
							}
						}
					}
				}
				return true
			})
		}
	}
	return out
}

func operation(id, summary string, body, answers object) object {
	o := object{"operationId": id, "summary": summary, "responses": answers}
	if body != nil {
		o["requestBody"] = object{"required": true, "content": body}
	}
	return o
}

func content(schema object) object { return object{"application/json": object{"schema": schema}} }

func eventContent(schema object) object {
	return object{"text/event-stream": object{"schema": object{"type": "string", "description": "Server-sent events with data of this schema.",
		"contentMediaType": "text/event-stream", "contentSchema": schema}}}
}

func ok(content, others object) object {
	answers := object{"200": object{"description": "Done.", "content": content}}
	for status, answer := range others {
		answers[status] = answer
	}
	return answers
}

// describer turns types into schemas.
type describer struct {
	schemas  object
	types    map[string]reflect.Type // by the name of their schema
	comments map[string]string
}

// enums are the types that have only these values.
var enums = map[reflect.Type][]any{
	reflect.TypeFor[or3cloud.Role]():          {or3cloud.RoleOwner, or3cloud.RoleEditor, or3cloud.RoleViewer},
	reflect.TypeFor[or3cloud.Operation]():     {or3cloud.OpPut, or3cloud.OpDelete},
	reflect.TypeFor[or3cloud.Disposition]():   {or3cloud.DispositionInline, or3cloud.DispositionAttachment},
	reflect.TypeFor[or3cloud.InviteStatus]():  {or3cloud.InvitePending, or3cloud.InviteAccepted, or3cloud.InviteRevoked, or3cloud.InviteExpired},
	reflect.TypeFor[or3cloud.ProviderKind]():  {or3cloud.ProviderAuth, or3cloud.ProviderSync, or3cloud.ProviderStorage},
	reflect.TypeFor[place.State]():            {place.StateStarting, place.StateReady, place.StateStopping},
	reflect.TypeFor[or3cloud.InviteRefusal](): {or3cloud.InviteNotFound, or3cloud.InviteEmailMismatch, or3cloud.InviteAlreadyUsed, or3cloud.InviteWasRevoked, or3cloud.InviteHasExpired},
	reflect.TypeFor[jobs.Kind]():              {jobs.Chat, jobs.Workflow},
	reflect.TypeFor[jobs.Status]():            {jobs.Streaming, jobs.Complete, jobs.Failed, jobs.Aborted},
	reflect.TypeFor[jobs.HistoryPhase](): {jobs.HistoryAdmissionPending, jobs.HistoryReady, jobs.HistoryFinalizationPending,
		jobs.HistoryCommitted, jobs.HistorySuperseded, jobs.HistoryBlocked},
	reflect.TypeFor[or3cloud.OpErrorCode](): {or3cloud.OpErrorValidation, or3cloud.OpErrorUnauthorized, or3cloud.OpErrorConflict,
		or3cloud.OpErrorOversized, or3cloud.OpErrorServer},
	reflect.TypeFor[or3cloud.Code](): codes(),
}

// codes are all codes that have a status.
func codes() []any {
	var out []any
	for _, c := range httpapi.Codes() {
		out = append(out, c)
	}
	return out
}

func (d describer) schema(t reflect.Type) object {
	if values, ok := enums[t]; ok {
		return object{"type": "string", "enum": values}
	}
	switch t {
	case reflect.TypeFor[json.RawMessage]():
		return object{}
	case reflect.TypeFor[safeint.Int]():
		return object{"type": "integer"}
	}
	if t.PkgPath() == "time" { // in the few types that the root package already writes as JSON
		return object{"type": "string", "format": "date-time"}
	}
	switch t.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice:
		return object{"type": "array", "items": d.schema(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": d.schema(t.Elem())}
	case reflect.Pointer:
		return d.schema(t.Elem())
	case reflect.Struct:
		name := title(t.Name())
		if other := d.types[name]; other != nil && other != t {
			panic(fmt.Sprintf("%v and %v have one name", other, t))
		}
		d.types[name] = t
		if _, there := d.schemas[name]; !there {
			d.schemas[name] = nil // this ends the recursion of a type that contains itself
			d.schemas[name] = d.members(t)
		}
		return object{"$ref": "#/components/schemas/" + name}
	default: // any
		return object{}
	}
}

// members describes a struct. A pointer that is always present can be null.
func (d describer) members(t reflect.Type) object {
	properties, required := object{}, []string{}
	var visit func(reflect.Type)
	visit = func(t reflect.Type) {
		for i := range t.NumField() {
			f := t.Field(i)
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Anonymous && name == "" {
				visit(f.Type)
				continue
			}
			optional := strings.Contains(options, "omit")
			s := d.schema(f.Type)
			if f.Type.Kind() == reflect.Pointer && !optional {
				s = object{"oneOf": []any{s, object{"type": "null"}}}
			}
			if comment := d.comments[t.Name()+"."+f.Name]; comment != "" {
				s = maps.Clone(s)
				s["description"] = comment
			}
			properties[name] = s
			if !optional {
				required = append(required, name)
			}
		}
	}
	visit(t)
	slices.Sort(required)
	o := object{"type": "object", "properties": properties}
	if comment := d.comments[t.Name()]; comment != "" {
		o["description"] = comment
	}
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}

func title(name string) string {
	runes := []rune(name)
	runes[0] = unicode.ToUpper(runes[0])
	return string(runes)
}
