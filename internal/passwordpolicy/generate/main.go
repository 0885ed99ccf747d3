// Command generate makes the list of common passwords embedded in package passwordpolicy. Its input are texts with one
// password per line, most frequent first, as published about breaches. It adds keyboard walks, and writes what it keeps
// folded, sorted and compressed. The same input gives the same bytes.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"flag"
	"log"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"or3.chat/cloud/internal/passwordpolicy"
)

func main() {
	log.SetFlags(0)
	out := flag.String("o", "common.txt.gz", "file to write")
	most := flag.Int("most", 15_000, "how many passwords to keep of each input")
	flag.Parse()
	kept := map[string]bool{}
	for _, name := range flag.Args() {
		if err := read(name, *most, kept); err != nil {
			log.Fatal(err)
		}
	}
	for _, walk := range walks() {
		kept[passwordpolicy.Fold(walk)] = true
	}
	if err := write(*out, slices.Sorted(maps.Keys(kept))); err != nil {
		log.Fatal(err)
	}
}

// read adds the first passwords of a file that can matter: long ones as they are, and shorter words, because a few
// digits make them long enough.
func read(name string, most int, kept map[string]bool) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for taken := 0; taken < most && lines.Scan(); {
		if w := passwordpolicy.Fold(lines.Text()); matters(lines.Text()) && !kept[w] {
			kept[w] = true
			taken++
		}
	}
	return lines.Err()
}

func matters(password string) bool {
	n := utf8.RuneCountInString(password)
	return n >= 8 || n >= 5 && !strings.ContainsFunc(password, func(r rune) bool { return !unicode.IsLetter(r) })
}

// walks returns what fingers type along the rows and columns of common keyboards, in both directions.
func walks() (out []string) {
	for _, path := range []string{
		"1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn",
		"qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm", "azertyuiopqsdfghjklmwxcvbn",
		"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", "qazwsxedcrfvtgbyhnujmikolp", "1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0",
		"1a2b3c4d5e6f7g8h9i0j", "a1b2c3d4e5f6g7h8i9j0", "123qweasdzxc", "1234qwerasdfzxcv", "zaq12wsxcde34rfvbgt56yhn",
		"!@#$%^&*()", "qweasdzxcrtyfghvbn", "asdfqwerzxcv", "789456123", "147258369", "159357", "741852963",
	} {
		for from := range path {
			for to := from + 6; to <= len(path); to++ {
				walk := []byte(path[from:to])
				out = append(out, string(walk))
				slices.Reverse(walk)
				out = append(out, string(walk))
			}
		}
	}
	return out
}

func write(name string, words []string) error {
	var text bytes.Buffer
	z, err := gzip.NewWriterLevel(&text, gzip.BestCompression)
	if err != nil {
		return err
	}
	for _, w := range words {
		if _, err := z.Write([]byte(w + "\n")); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(name, text.Bytes(), 0o644)
}
