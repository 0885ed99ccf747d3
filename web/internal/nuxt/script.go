package nuxt

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// kind is what a node of a script is, as far as it matters here.
type kind int

const (
	// other is an expression whose value no one needs: it is kept as it is written.
	other    kind = iota
	constant      // a number, true, null and the like
	literalText
	object
	array
	name       // an identifier
	member     // base.key or base["key"]
	assignment // base = value
	call       // base(list...)
	function   // function (params) { list } or (params) => value
)

// node is an expression of a script.
type node struct {
	kind kind
	// text is that of an identifier, of a string, and of the key of a member.
	text string
	// members are those of an object, in order; it begins at start.
	members []property
	start   int
	// list are the elements of an array, arguments, parts of other expressions, or the statements of a function.
	list   []*node
	params []string
	// base is what a member belongs to, what is called, or what is assigned to; value is what is assigned or returned.
	base, value *node
}

// property is one of an object: its key as it is written and as it reads, or what is spread. Its value stands from
// start to end, brackets around it included.
type property struct {
	key, written string
	spread       bool
	short        bool // {key} means {key:key}
	value        *node
	start, end   int
}

// maxDepth is how deep expressions may nest. Configurations nest five levels.
const maxDepth = 200

// parser reads the statements that Nuxt writes into a page: assignments of literals, mainly. Whatever else it meets is
// an error, because what is not understood must not be changed.
type parser struct {
	src   string
	pos   int
	depth int
	// blank is where the white space begins that ends at pos, if blankEnd is pos.
	blank, blankEnd int
}

// parse returns the expressions that a script consists of.
func parse(src string) (statements []*node, err error) {
	p := &parser{src: src}
	defer p.recoverTo(&err)
	for {
		for p.accept(";") {
		}
		if p.peek() == 0 {
			return statements, nil
		}
		statements = append(statements, p.statement())
	}
}

// syntaxError is what a parser gives up with.
type syntaxError struct{ error }

func (p *parser) recoverTo(err *error) {
	switch cause := recover().(type) {
	case nil:
	case syntaxError:
		*err = cause.error
	default:
		panic(cause)
	}
}

func (p *parser) fail(what string) {
	near := p.src[min(p.pos, len(p.src)):]
	if len(near) > 24 {
		near = near[:24]
	}
	panic(syntaxError{fmt.Errorf("%s at byte %d, before %q", what, p.pos, strings.ToValidUTF8(near, ""))})
}

// space skips white space and comments.
func (p *parser) space() {
	start := p.pos
	defer func() {
		if p.pos > start {
			p.blank, p.blankEnd = start, p.pos
		}
	}()
	for p.pos < len(p.src) {
		rest := p.src[p.pos:]
		switch {
		case strings.HasPrefix(rest, "//"):
			end := strings.IndexAny(rest, "\r\n")
			if end < 0 {
				end = len(rest)
			}
			p.pos += end
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				p.fail("a comment without an end")
			}
			p.pos += end + 4
		default:
			r, size := utf8.DecodeRuneInString(rest)
			if !strings.ContainsRune(" \t\n\r\v\f\u00a0\u2028\u2029\ufeff", r) {
				return
			}
			p.pos += size
		}
	}
}

// end is where what has been read ends, without the white space behind it.
func (p *parser) end() int {
	if p.pos == p.blankEnd {
		return p.blank
	}
	return p.pos
}

// peek returns the next byte that is not a space, 0 at the end.
func (p *parser) peek() byte {
	p.space()
	if p.pos >= len(p.src) {
		return 0
	}
	return p.src[p.pos]
}

// accept goes past a punctuator if it comes next, and is not the beginning of a longer one.
func (p *parser) accept(punctuator string) bool {
	p.space()
	rest := p.src[p.pos:]
	if !strings.HasPrefix(rest, punctuator) {
		return false
	}
	if punctuator == "=" && len(rest) > 1 && (rest[1] == '=' || rest[1] == '>') {
		return false
	}
	p.pos += len(punctuator)
	return true
}

func (p *parser) expect(punctuator string) {
	if !p.accept(punctuator) {
		p.fail("no " + punctuator)
	}
}

// word returns the identifier that comes next, or "".
func (p *parser) word() string {
	p.space()
	end := p.pos
	for end < len(p.src) && isWord(p.src[end]) {
		end++
	}
	if end == p.pos || isDigit(p.src[p.pos]) {
		return ""
	}
	w := p.src[p.pos:end]
	p.pos = end
	return w
}

// acceptWord goes past a word if it comes next.
func (p *parser) acceptWord(want string) bool {
	before := p.pos
	if p.word() == want {
		return true
	}
	p.pos = before
	return false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isWord reports whether c is part of an identifier. Those of other alphabets count as well; what they mean is no one's
// question.
func isWord(c byte) bool {
	return c == '_' || c == '$' || isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}

func (p *parser) enter() {
	if p.depth++; p.depth > maxDepth {
		p.fail("too deep")
	}
}

func (p *parser) leave() { p.depth-- }

// statement reads an expression, an import of a whole payload, or a declaration.
func (p *parser) statement() *node {
	p.enter()
	defer p.leave()
	switch {
	case p.acceptWord("import"):
		if p.word() == "" {
			p.fail("an import without a name")
		}
		if !p.acceptWord("from") {
			p.fail("an import without a source")
		}
		p.text()
		return &node{}
	case p.acceptWord("var"), p.acceptWord("let"), p.acceptWord("const"):
	}
	return p.sequence()
}

// sequence reads expressions with commas between them. Of several, the list of the result has each.
func (p *parser) sequence() *node {
	first := p.expression()
	if p.peek() != ',' {
		return first
	}
	all := &node{list: []*node{first}}
	for p.accept(",") {
		all.list = append(all.list, p.expression())
	}
	return all
}

// expression reads an assignment, an arrow function, or what is joined by operators.
func (p *parser) expression() *node {
	p.enter()
	defer p.leave()
	if f := p.arrow(); f != nil {
		return f
	}
	left := p.unary()
	if p.accept("=") {
		return &node{kind: assignment, base: left, value: p.expression()}
	}
	joined := left
	for {
		operator := ""
		for _, o := range []string{"||", "&&", "??"} {
			if p.accept(o) {
				operator = o
				break
			}
		}
		if operator == "" {
			return joined
		}
		joined = &node{list: []*node{joined, p.unary()}}
	}
}

// arrow reads an arrow function, if there is one.
func (p *parser) arrow() *node {
	p.space()
	before := p.pos
	f := &node{kind: function}
	if w := p.word(); w != "" {
		f.params = []string{w}
	} else if !p.accept("(") || !p.parameters(f) {
		p.pos = before
		return nil
	}
	if !p.accept("=>") {
		p.pos = before
		return nil
	}
	if p.peek() == '{' {
		p.body(f)
	} else {
		f.value = p.expression()
	}
	return f
}

// parameters reads the names of a function's parameters and the bracket behind them. It reports whether that is what
// stands there.
func (p *parser) parameters(f *node) bool {
	for {
		if p.accept(")") {
			return true
		}
		w := p.word()
		if w == "" {
			return false
		}
		f.params = append(f.params, w)
		if !p.accept(",") {
			return p.accept(")")
		}
	}
}

// body reads the statements of a function. A return ends it.
func (p *parser) body(f *node) {
	p.expect("{")
	for {
		for p.accept(";") {
		}
		if p.accept("}") {
			return
		}
		if p.acceptWord("return") {
			if c := p.peek(); c != ';' && c != '}' {
				f.value = p.sequence()
			}
			for p.accept(";") {
			}
			p.expect("}")
			return
		}
		f.list = append(f.list, p.statement())
		if c := p.peek(); c != ';' && c != '}' {
			p.fail("no ;")
		}
	}
}

// unary reads an operand with what stands before and behind it.
func (p *parser) unary() *node {
	p.enter()
	defer p.leave()
	switch c := p.peek(); {
	case c == '!' || c == '-' || c == '+' || c == '~':
		p.pos++
	case p.acceptWord("void"), p.acceptWord("typeof"):
	case p.acceptWord("new"):
		return &node{list: []*node{p.postfix(p.primary())}}
	default:
		return p.postfix(p.primary())
	}
	operand := p.unary()
	if operand.kind == constant {
		return operand
	}
	return &node{list: []*node{operand}}
}

// postfix reads what follows an operand: members and calls.
func (p *parser) postfix(n *node) *node {
	for {
		switch c := p.peek(); {
		case c == '.' && !strings.HasPrefix(p.src[p.pos:], "..."):
			p.pos++
			key := p.word()
			if key == "" {
				p.fail("no name behind a point")
			}
			n = &node{kind: member, base: n, text: key}
		case c == '[':
			p.pos++
			key := p.sequence()
			p.expect("]")
			if key.kind == literalText {
				n = &node{kind: member, base: n, text: key.text}
			} else {
				n = &node{list: []*node{n, key}}
			}
		case c == '(':
			p.pos++
			n = &node{kind: call, base: n, list: p.elements(")")}
		default:
			return n
		}
	}
}

// elements reads expressions up to a closing bracket.
func (p *parser) elements(closing string) (list []*node) {
	for {
		if p.accept(closing) {
			return list
		}
		if closing == "]" && p.accept(",") { // a hole
			continue
		}
		p.accept("...")
		list = append(list, p.expression())
		if !p.accept(",") {
			p.expect(closing)
			return list
		}
	}
}

// constants are the words that mean the same everywhere.
var constants = []string{"true", "false", "null", "undefined", "NaN", "Infinity"}

// keywords begin something that is not an expression of a literal.
var keywords = []string{
	"async", "await", "class", "delete", "do", "else", "for", "if", "import", "in", "return", "switch", "throw", "try", "while", "with", "yield",
}

func (p *parser) primary() *node {
	c := p.peek()
	start := p.pos
	switch {
	case c == '"' || c == '\'' || c == '`':
		return &node{kind: literalText, text: p.text()}
	case isDigit(c), c == '.' && p.pos+1 < len(p.src) && isDigit(p.src[p.pos+1]):
		p.number()
		return &node{kind: constant}
	case c == '{':
		return p.object()
	case c == '[':
		p.pos++
		return &node{kind: array, list: p.elements("]")}
	case c == '(':
		p.pos++
		inner := p.sequence()
		p.expect(")")
		return inner
	case p.acceptWord("function"):
		f := &node{kind: function}
		p.word()
		p.expect("(")
		if !p.parameters(f) {
			p.fail("no parameters")
		}
		p.body(f)
		return f
	}
	w := p.word()
	switch {
	case w == "":
		p.fail("nothing that is known")
	case slices.Contains(keywords, w):
		p.pos = start
		p.fail("no literal")
	case slices.Contains(constants, w):
		return &node{kind: constant}
	}
	return &node{kind: name, text: w}
}

// number reads a number, of any base, with or without a fraction, an exponent or the n of large ones.
func (p *parser) number() {
	exponent := byte(0)
	for p.pos < len(p.src) {
		c := p.src[p.pos]
		sign := (c == '-' || c == '+') && (exponent == 'e' || exponent == 'E')
		if c != '.' && !isWord(c) && !sign {
			return
		}
		exponent = c
		if (c == 'x' || c == 'X') && p.pos > 0 && p.src[p.pos-1] == '0' {
			p.pos++
			for p.pos < len(p.src) && isWord(p.src[p.pos]) {
				p.pos++
			}
			return
		}
		p.pos++
	}
}

func (p *parser) object() *node {
	p.enter()
	defer p.leave()
	o := &node{kind: object, start: p.pos}
	p.expect("{")
	for {
		if p.accept("}") {
			break
		}
		o.members = append(o.members, p.property())
		if !p.accept(",") {
			p.expect("}")
			break
		}
	}
	return o
}

func (p *parser) property() property {
	if p.accept("...") {
		return property{spread: true, value: p.expression()}
	}
	c := p.peek()
	start := p.pos
	var key string
	short := false
	switch {
	case c == '"' || c == '\'':
		key = p.text()
	case isDigit(c):
		p.number()
		key = p.src[start:p.pos]
	default:
		if key = p.word(); key == "" {
			p.fail("no key")
		}
		short = true
	}
	written := p.src[start:p.pos]
	found := property{key: key, written: written, start: start, end: p.pos}
	if next := p.peek(); short && (next == ',' || next == '}') {
		found.short, found.value = true, &node{kind: name, text: key}
		return found
	}
	p.expect(":")
	p.space()
	found.start = p.pos
	found.value = p.expression()
	found.end = p.end()
	return found
}

// text reads a string and returns what it says. A half of a character outside the basic plane, alone, becomes U+FFFD.
func (p *parser) text() string {
	p.space()
	if p.pos >= len(p.src) {
		p.fail("no string")
	}
	quote := p.src[p.pos]
	if quote != '"' && quote != '\'' && quote != '`' {
		p.fail("no string")
	}
	p.pos++
	var b strings.Builder
	for {
		if p.pos >= len(p.src) {
			p.fail("a string without an end")
		}
		switch c := p.src[p.pos]; {
		case c == quote:
			p.pos++
			return b.String()
		case (c == '\n' || c == '\r') && quote != '`':
			p.fail("a string without an end")
		case c == '$' && quote == '`' && strings.HasPrefix(p.src[p.pos:], "${"):
			p.fail("a template")
		case c == '\\':
			p.pos++
			p.escape(&b)
		default:
			b.WriteByte(c)
			p.pos++
		}
	}
}

// escape reads what stands behind a backslash.
func (p *parser) escape(b *strings.Builder) {
	if p.pos >= len(p.src) {
		p.fail("a string without an end")
	}
	c := p.src[p.pos]
	p.pos++
	switch c {
	case 'n':
		b.WriteByte('\n')
	case 't':
		b.WriteByte('\t')
	case 'r':
		b.WriteByte('\r')
	case 'b':
		b.WriteByte('\b')
	case 'f':
		b.WriteByte('\f')
	case 'v':
		b.WriteByte('\v')
	case '0', '1', '2', '3', '4', '5', '6', '7':
		if c != '0' || p.pos < len(p.src) && isDigit(p.src[p.pos]) {
			p.fail("an octal number")
		}
		b.WriteByte(0)
	case '\r':
		if p.pos < len(p.src) && p.src[p.pos] == '\n' {
			p.pos++
		}
	case '\n':
	case 'x':
		b.WriteRune(p.hex(2))
	case 'u':
		r := p.unit()
		if second := strings.HasPrefix(p.src[p.pos:], `\u`); second && r >= 0xd800 && r < 0xdc00 {
			before := p.pos
			p.pos += 2
			if low := p.unit(); low >= 0xdc00 && low < 0xe000 {
				r = 0x10000 + (r-0xd800)<<10 + (low - 0xdc00)
			} else {
				p.pos = before
			}
		}
		b.WriteRune(r)
	default:
		b.WriteByte(c)
	}
}

// unit reads the number behind \u.
func (p *parser) unit() rune {
	if p.pos < len(p.src) && p.src[p.pos] == '{' {
		end := strings.IndexByte(p.src[p.pos:], '}')
		if end < 2 || end > 7 {
			p.fail("no character")
		}
		p.pos++
		r := p.hex(end - 1)
		p.pos++
		return r
	}
	return p.hex(4)
}

func (p *parser) hex(digits int) rune {
	if p.pos+digits > len(p.src) {
		p.fail("no character")
	}
	n, err := strconv.ParseUint(p.src[p.pos:p.pos+digits], 16, 32)
	if err != nil || n > utf8.MaxRune {
		p.fail("no character")
	}
	p.pos += digits
	return rune(n)
}
