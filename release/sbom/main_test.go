package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestAProgramIsListedWithWhatItIsMadeOf lists this test itself, whose only foreign code is the standard library,
// twice.
func TestAProgramIsListedWithWhatItIsMadeOf(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	for _, out := range []*bytes.Buffer{&first, &second} {
		if err := run(out, []string{"../..", "v1.2.3", self}); err != nil {
			t.Fatal(err)
		}
	}
	if first.String() != second.String() {
		t.Errorf("two lists of one program:\n%s\n%s", &first, &second)
	}
	var b bom
	if err := json.Unmarshal(first.Bytes(), &b); err != nil {
		t.Fatal(err)
	}
	if b.Metadata.Timestamp != "2023-11-14T22:13:20Z" || b.Metadata.Component.Version != "v1.2.3" {
		t.Errorf("%+v", b.Metadata)
	}
	library := "pkg:golang/stdlib@" + strings.TrimPrefix(runtime.Version(), "go")
	if len(b.Components) < 2 || b.Components[0].Type != "file" || len(b.Components[0].Hashes) != 1 ||
		!slices.ContainsFunc(b.Components, func(c component) bool { return c.PURL == library }) {
		t.Errorf("%s is not in %s", library, &first)
	}
	refs := map[string]bool{b.Metadata.Component.Ref: true}
	for _, c := range b.Components {
		if refs[c.Ref] {
			t.Errorf("%s is listed twice", c.Ref)
		}
		refs[c.Ref] = true
	}
	on := map[string][]string{}
	for _, d := range b.Dependencies {
		on[d.Ref] = d.On
		for _, ref := range append(d.On, d.Ref) {
			if !refs[ref] {
				t.Errorf("%s depends on %s, which is not listed", d.Ref, ref)
			}
		}
	}
	file, basicAuth := b.Components[0].Ref, "pkg:npm/%40or3-cloud/or3-provider-basic-auth@0.1.0"
	for of, want := range map[string][]string{
		"or3-cloud": {file, "pkg:npm/or3-cloud-client@0.1.0", "pkg:npm/or3-cloud-engine@0.1.0", basicAuth},
		file:        {library, "pkg:npm/%40vue/runtime-core", "pkg:npm/%40nuxt/ui", "pkg:npm/tailwindcss", "pkg:npm/%40iconify-json/lucide"},
		basicAuth:   {"pkg:npm/or3-cloud-engine@0.1.0", "pkg:npm/uqr", "pkg:npm/%40simplewebauthn/browser"},
	} {
		for _, ref := range want {
			if !slices.ContainsFunc(on[of], func(r string) bool { return r == ref || strings.HasPrefix(r, ref+"@") }) {
				t.Errorf("%s does not depend on %s: %v", of, ref, on[of])
			}
		}
	}
	for _, d := range b.Dependencies {
		for _, ref := range d.On {
			if strings.Contains(ref, "vitest") || strings.Contains(ref, "nuxt@") || strings.Contains(ref, "or3-cloud-matrix") {
				t.Errorf("%s depends on %s, which is in no release", d.Ref, ref)
			}
		}
	}
}

// TestThePageIsOfItsLockFile compares what the build of the page has found with what its lock file pins.
func TestThePageIsOfItsLockFile(t *testing.T) {
	sources := os.DirFS("../..")
	var lock lockFile
	if err := readJSON(sources, "web/app/package-lock.json", &lock); err != nil {
		t.Fatal(err)
	}
	var pinned []string
	for folder, p := range lock.Packages {
		names := strings.Split(folder, "node_modules/")
		pinned = append(pinned, npmPackage(names[len(names)-1], p.Version).Ref)
	}
	found, err := within(sources, &buildinfo.BuildInfo{})
	if err != nil {
		t.Fatal(err)
	}
	icons, err := within(sources, &buildinfo.BuildInfo{Settings: []debug.BuildSetting{{Key: "-tags", Value: "noproviders,noweb"}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(icons) != 6 || len(found) < len(icons)+10 {
		t.Errorf("%d packages, %d of them icons", len(found), len(icons))
	}
	for _, c := range found {
		if !slices.Contains(pinned, c.Ref) && !slices.ContainsFunc(icons, func(i component) bool { return i.Ref == c.Ref }) {
			t.Errorf("the page has %s, which web/app/package-lock.json does not pin", c.Ref)
		}
	}
}

// TestPackagesAreFoundAsNodeFindsThem has two versions of one package, and some that are in no release.
func TestPackagesAreFoundAsNodeFindsThem(t *testing.T) {
	sources := fstest.MapFS{
		"npm/package-lock.json": {Data: []byte(`{"packages":{
			"":{"name":"all"},
			"own":{"version":"2.0.0","dependencies":{"a":"1","other":"2.0.0"},"devDependencies":{"d":"1"}},
			"other":{"version":"2.0.0"},
			"tests":{"version":"0.0.0","dependencies":{"d":"1"}},
			"node_modules/own":{"link":true},"node_modules/other":{"link":true},
			"own/node_modules/a":{"version":"1.1.0","dependencies":{"b":"1"}},
			"node_modules/a":{"version":"9.0.0"},
			"node_modules/b":{"version":"1.0.0","dependencies":{"a":"9"}},
			"node_modules/d":{"version":"1.0.0"}}}`)},
		"npm/own/package.json":   {Data: []byte(`{"name":"own"}`)},
		"npm/other/package.json": {Data: []byte(`{"name":"or3-provider-other"}`)},
		"npm/tests/package.json": {Data: []byte(`{"name":"tests","private":true}`)},
	}
	own, of, others, err := published(sources)
	if err != nil {
		t.Fatal(err)
	}
	const other = "pkg:npm/%40or3-cloud/or3-provider-other@2.0.0"
	if !reflect.DeepEqual(own, []component{npmPackage("@or3-cloud/or3-provider-other", "2.0.0"), npmPackage("own", "2.0.0")}) {
		t.Errorf("our own: %+v", own)
	}
	if !reflect.DeepEqual(others, []component{npmPackage("a", "1.1.0"), npmPackage("b", "1.0.0"), npmPackage("a", "9.0.0")}) {
		t.Errorf("others: %+v", others)
	}
	want := []dependency{
		{other, nil}, {"pkg:npm/own@2.0.0", []string{"pkg:npm/a@1.1.0", other}},
		{"pkg:npm/a@1.1.0", []string{"pkg:npm/b@1.0.0"}}, {"pkg:npm/b@1.0.0", []string{"pkg:npm/a@9.0.0"}}, {"pkg:npm/a@9.0.0", nil},
	}
	if !reflect.DeepEqual(of, want) {
		t.Errorf("dependencies: %+v", of)
	}
	delete(sources, "npm/package-lock.json")
	if _, _, _, err := published(sources); err == nil {
		t.Error("no lock file, and no error")
	}
}
