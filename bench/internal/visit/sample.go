package visit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Sample writes files that are like those of OR3 Chat's client, of about size bytes in all: a page that names some of
// its scripts, and a service worker that stores all of them. They are made of real scripts and styles, those in a
// directory, with other digits in each, so that no two files are the same.
func Sample(to, from string, size int) error {
	var sources []string
	for _, kind := range []string{"*.js", "*.css"} {
		found, err := filepath.Glob(filepath.Join(from, kind))
		if err != nil {
			return err
		}
		sources = append(sources, found...)
	}
	if len(sources) == 0 {
		return fmt.Errorf("%s has no scripts", from)
	}
	if err := os.MkdirAll(filepath.Join(to, "_nuxt"), 0o755); err != nil {
		return err
	}
	var names []string
	for round := 0; size > 0; round++ {
		for n, source := range sources {
			text, err := os.ReadFile(source)
			if err != nil {
				return err
			}
			text = bytes.Map(func(r rune) rune {
				if r >= '0' && r <= '9' {
					return '0' + (r-'0'+rune(round))%10
				}
				return r
			}, text)
			text = append(text, fmt.Sprintf("/* %d */\n", round)...)
			name := fmt.Sprintf("_nuxt/%d-%d%s", round, n, filepath.Ext(source))
			if err := os.WriteFile(filepath.Join(to, name), text, 0o644); err != nil {
				return err
			}
			names = append(names, name)
			if size -= len(text); size <= 0 {
				break
			}
		}
	}
	var page, worker strings.Builder
	page.WriteString("<!DOCTYPE html><html><head><title>Sample</title>\n")
	for _, name := range names[:min(len(names), 30)] {
		kind := "modulepreload"
		if filepath.Ext(name) == ".css" {
			kind = "stylesheet"
		}
		fmt.Fprintf(&page, "<link rel=%q href=\"/%s\">\n", kind, name)
	}
	page.WriteString("</head><body></body></html>\n")
	worker.WriteString("precacheAndRoute([")
	for _, name := range names {
		fmt.Fprintf(&worker, "{url:%q,revision:null},", name)
	}
	worker.WriteString("]);\n")
	for name, text := range map[string]string{"index.html": page.String(), "sw.js": worker.String()} {
		if err := os.WriteFile(filepath.Join(to, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
