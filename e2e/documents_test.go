package e2e

import (
	"bufio"
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// instruction is something that a document tells its reader to do: a command, or a block of configuration to copy.
type instruction struct {
	line int
	// text is the command without its comment; for a block of configuration it is the first line, and the second after
	// the name of a section.
	text string
	// block is a whole block of configuration, and empty for commands.
	block string
	// name is the name on the first line of a fenced block, after the language.
	name string
	// inline says that it is a part of a sentence.
	inline bool
}

// programs begin commands. Anything else at the beginning of a block makes it a block of configuration.
var programs = []string{
	"apt", "apt-get", "bun", "caddy", "cat", "chgrp", "chmod", "chown", "cp", "curl", "df", "dmesg", "dnf", "docker", "fail2ban-client", "getent", "git", "go", "grep", "install", "journalctl", "kill",
	"kubectl", "ln", "ls", "make", "mkdir", "mv", "nginx", "node", "npm", "npx", "openssl", "or3-cloud", "podman", "pnpm", "psql", "rm", "rsync", "setcap", "sha256sum", "smartctl", "sqlite3", "ss", "ssh-keygen", "sudo",
	"systemctl", "systemd-analyze", "tar", "touch", "useradd", "usermod", "wget",
}

// isCommand tells commands from configuration and from the names of files.
func isCommand(text string) bool {
	words := strings.Fields(text)
	for len(words) > 0 && assignment.MatchString(words[0]) {
		words = words[1:]
	}
	return len(words) > 0 && (slices.Contains(programs, strings.TrimPrefix(words[0], "./")) || strings.HasPrefix(words[0], "scripts/"))
}

var (
	assignment = regexp.MustCompile(`^[A-Z][A-Z0-9_]*=\S*$`)
	comment    = regexp.MustCompile(`\s+#( .*)?$`)
	span       = regexp.MustCompile("`([^`]+)`")
)

// instructions reads a document in Markdown. A fenced block of the language "text" is what a program prints, and one of
// "go" is source, which TestTheGuidePrintsSource compares with files.
func instructions(text string) []instruction {
	var found []instruction
	var block, paragraph []string
	begin, fenced, blank := 0, false, true
	var language, name string
	flush := func() {
		for _, m := range span.FindAllStringSubmatch(strings.Join(paragraph, " "), -1) {
			// A single word is the name of a program.
			if isCommand(m[1]) && strings.Contains(m[1], " ") {
				found = append(found, instruction{line: begin, text: m[1], inline: true})
			}
		}
		paragraph = nil
		for len(block) > 0 && strings.TrimSpace(block[len(block)-1]) == "" {
			block = block[:len(block)-1]
		}
		if len(block) > 0 && language != "text" && language != "go" {
			for _, in := range blockInstructions(begin, block) {
				in.name = name
				found = append(found, in)
			}
		}
		block = nil
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		indented := strings.HasPrefix(line, "    ")
		switch {
		case fence:
			flush()
			fenced, begin = !fenced, n+1
			language, name, _ = strings.Cut(strings.TrimLeft(strings.TrimSpace(line), "`"), " ")
		case fenced:
			block = append(block, line)
		case indented && (blank || block != nil):
			if block == nil {
				flush()
				begin = n
			}
			block = append(block, line)
		case strings.TrimSpace(line) == "" && block != nil:
			block = append(block, line)
		case strings.TrimSpace(line) == "":
			flush()
		default: // a sentence may be broken anywhere, even in a command
			if paragraph == nil {
				flush()
				begin = n
			}
			paragraph = append(paragraph, strings.TrimSpace(line))
		}
		blank = strings.TrimSpace(line) == ""
	}
	flush()
	return found
}

// blockInstructions tells whether a block is configuration, which is one instruction, or commands, each of which is
// one.
func blockInstructions(begin int, block []string) []instruction {
	first := strings.TrimSpace(comment.ReplaceAllString(block[0], ""))
	if !isCommand(first) {
		if strings.HasPrefix(first, "[") && len(block) > 1 { // a section, of which there may be several with one name
			first += " " + strings.TrimSpace(comment.ReplaceAllString(block[1], ""))
		}
		return []instruction{{line: begin, text: first, block: strings.Join(block, "\n") + "\n"}}
	}
	var found []instruction
	for i := 0; i < len(block); i++ {
		n, line := begin+i, block[i]
		for strings.HasSuffix(line, `\`) && i+1 < len(block) {
			i++
			line = strings.TrimSuffix(line, `\`) + strings.TrimSpace(block[i])
		}
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") || line == "" {
			continue
		}
		found = append(found, instruction{line: n, text: comment.ReplaceAllString(line, "")})
	}
	return found
}

// claim says which test follows an instruction. It stands above that test, as a line of its own:
//
//	//walk:follows operations.md systemctl reload
//
// with the command, the first line of the block, or the block's name. The test reads the block from the document where
// it can; those of npm/matrix do, and need no claim.
type claim struct{ doc, text string }

var (
	claimLine = regexp.MustCompile(`^\s*// ?walk:follows ([\w-]+\.md) (.+)$`)
	testFunc  = regexp.MustCompile(`^(?:func (Test\w+)\(|\s*(?:test|it)(?:\.each\(.*\))?\('([^']+)')`)
	namedRead = regexp.MustCompile(`\b(?:block|json)\('([\w-]+)'\)`)
)

// claims returns which tests follow which instructions, in the whole module.
func claims(t *testing.T) map[claim]string {
	t.Helper()
	found := map[claim]string{}
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() && path != ".." && (strings.HasPrefix(e.Name(), ".") || e.Name() == "node_modules") {
			return cmp.Or(err, fs.SkipDir)
		}
		if e.IsDir() || !strings.HasSuffix(path, "_test.go") && !strings.HasSuffix(path, ".test.ts") {
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		var waiting []claim
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			for _, m := range namedRead.FindAllStringSubmatch(lines.Text(), -1) {
				found[claim{"nuxt-host.md", m[1]}] = filepath.Base(path)
			}
			if m := claimLine.FindStringSubmatch(lines.Text()); m != nil {
				waiting = append(waiting, claim{m[1], m[2]})
			} else if m := testFunc.FindStringSubmatch(lines.Text()); m != nil {
				for _, c := range waiting {
					found[c] = cmp.Or(m[1], m[2])
				}
				waiting = nil
			}
		}
		for _, c := range waiting {
			t.Errorf("%s: no test follows %q of %s", path, c.text, c.doc)
		}
		return lines.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestInstructionsAreFound(t *testing.T) {
	const text = "# A\n\nRun `or3-cloud config` or `curl http://x`; `OR3_ADDR`, `./data`, `nginx` and `chmodder x` are not commands.\n\n" +
		"```sh\nor3-cloud gc --dry-run   # nothing goes\n\nor3-cloud user add \\\n  a#b@example.org\n# a remark\n```\n\n" +
		"1. Write\n\n       A=b   # c\n\n       D=e\n   and `make\n   test`.\n\n    MODE=x ./or3-cloud serve\n\n```ini\n[Service]\nUser=x\n```\n\n" +
		"```text\nready\n```\n\n```json some-name\n{}\n```\n\n    C=d\n"
	want := []instruction{
		{line: 3, text: "or3-cloud config", inline: true}, {line: 3, text: "curl http://x", inline: true},
		{line: 6, text: "or3-cloud gc --dry-run"}, {line: 8, text: "or3-cloud user add a#b@example.org"},
		{line: 15, text: "A=b", block: "       A=b   # c\n\n       D=e\n"}, {line: 18, text: "make test", inline: true},
		{line: 21, text: "MODE=x ./or3-cloud serve"}, {line: 24, text: "[Service] User=x", block: "[Service]\nUser=x\n"},
		{line: 33, text: "{}", block: "{}\n", name: "some-name"}, {line: 36, text: "C=d", block: "    C=d\n"},
	}
	if got := instructions(text); !slices.Equal(got, want) {
		t.Errorf("found\n%+v\nwant\n%+v", got, want)
	}
}

// TestMessagesThatPagesQuoteAreReal: every quote in the first column of a table of messages occurs in the sources,
// except for what is left out (…).
func TestMessagesThatPagesQuoteAreReal(t *testing.T) {
	sources := sourcesOf(t)
	for _, doc := range []string{"basic-auth.md", "sqlite.md", "fs.md", "combinations.md"} {
		text, err := os.ReadFile(filepath.Join("../docs", doc))
		if err != nil {
			t.Fatal(err)
		}
		inTable, quoted := false, 0
		for line := range strings.Lines(string(text)) {
			switch {
			case strings.HasPrefix(line, "| Message |"):
				inTable = true
			case !strings.HasPrefix(line, "|"):
				inTable = false
			case inTable:
				first := strings.Split(line, "|")[1]
				for _, m := range span.FindAllStringSubmatch(first, -1) {
					quoted++
					for part := range strings.SplitSeq(m[1], "…") {
						if !strings.Contains(sources, strings.TrimSpace(part)) {
							t.Errorf("%s quotes %q, which no source has", doc, m[1])
						}
					}
				}
			}
		}
		if quoted < 4 {
			t.Errorf("%s quotes %d messages", doc, quoted)
		}
	}
}

// joint is where a Go string continues in another one.
var joint = regexp.MustCompile("\"\\s*\\+\\s*\"")

// sourcesOf returns the sources of the programs and packages, with strings in one piece.
func sourcesOf(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			if path != ".." && (strings.HasPrefix(e.Name(), ".") || slices.Contains([]string{"node_modules", "dist", "test", "testdata"}, e.Name())) {
				return fs.SkipDir
			}
			return nil
		}
		if ext := filepath.Ext(path); ext != ".go" && ext != ".ts" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return joint.ReplaceAllString(strings.NewReplacer(`\"`, `"`).Replace(all.String()), "")
}
