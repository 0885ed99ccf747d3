package syncwire

// maxDepth is how deep the text of a push may nest before it is cut: far more than any op may (syncschema.MaxDepth), so
// that the op is refused for it, and far less than the decoder takes, so that its neighbours are read.
const maxDepth = 1000

// pruner empties the arrays and objects of a JSON text that lie deeper than maxDepth. The text may come in pieces.
type pruner struct {
	depth             int
	inString, escaped bool
}

// prune drops bytes from a piece, in place, and returns what is left of it.
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
