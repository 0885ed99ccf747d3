package syncwire

// maxDepth is the depth at which the text of a push is cut. It is far more than any op may nest (syncschema.MaxDepth),
// so that the op is refused for it, and far less than the decoder accepts, so that the other ops are read.
const maxDepth = 1000

// pruner empties the arrays and objects of a JSON text that lie deeper than maxDepth. The text may come in pieces.
type pruner struct {
	depth             int
	inString, escaped bool
}

// prune removes bytes from a piece, in place, and returns the rest.
func (p *pruner) prune(piece []byte) []byte {
	n := 0
	for _, c := range piece {
		keep := p.depth <= maxDepth
		switch {
		case p.escaped:
			p.escaped = false
		case p.inString:
			p.escaped = c == '\\'
			p.inString = c != '"'
		case c == '"':
			p.inString = true
		case c == '{' || c == '[':
			p.depth++
		case c == '}' || c == ']':
			p.depth--
			keep = p.depth <= maxDepth
		}
		if keep {
			piece[n] = c
			n++
		}
	}
	return piece[:n]
}
