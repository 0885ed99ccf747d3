package engine

import _ "embed"

// description is made from the Go types and their comments (describe_test.go); make generate writes it.
//
//go:embed openapi.json
var description []byte

// OpenAPI returns the description of the protocol (OpenAPI 3.1), from which clients in other languages are generated.
func OpenAPI() []byte { return description }
