package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// The sources that list the npm packages in a release.
const (
	// pageList has the packages that the built-in page contains parts of. The build of the page writes it.
	pageList = "web/page/.vite/packages.json"
	// iconLock has the packages that the icons are packed from.
	iconLock = "web/internal/icons/package-lock.json"
	// npmLock has our own packages and what they depend on.
	npmLock = "npm/package-lock.json"
)

// lockFile is what we read of a package-lock.json. The keys of its packages are folders; our own are not below
// node_modules.
type lockFile struct {
	Packages map[string]struct {
		Name, Version   string
		Link            bool
		Dependencies    map[string]string
		DevDependencies map[string]string
	}
}

// npmPackage describes a package of npm.
func npmPackage(name, version string) component {
	purl := "pkg:npm/" + strings.Replace(name, "@", "%40", 1) + "@" + version
	return component{Type: "library", Ref: purl, Name: name, Version: version, PURL: purl}
}

// within returns the npm packages that a program contains parts of: those of the built-in page, unless it was built
// without it, and of the icons.
func within(sources fs.FS, info *buildinfo.BuildInfo) (packages []component, err error) {
	withPage := true
	for _, s := range info.Settings {
		if s.Key == "-tags" && slices.Contains(strings.Split(s.Value, ","), "noweb") {
			withPage = false
		}
	}
	if withPage {
		var page []struct{ Name, Version string }
		if err := readJSON(sources, pageList, &page); err != nil {
			return nil, err
		}
		for _, p := range page {
			packages = append(packages, npmPackage(p.Name, p.Version))
		}
	}
	var icons lockFile
	if err := readJSON(sources, iconLock, &icons); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(icons.Packages[""].DevDependencies)) {
		p, ok := icons.Packages["node_modules/"+name]
		if !ok {
			return nil, fmt.Errorf("%s lacks %s", iconLock, name)
		}
		packages = append(packages, npmPackage(name, p.Version))
	}
	return packages, nil
}

// published returns our own packages and, in others, their dependencies as installed. What their host must already have
// (peer dependencies) is not included.
func published(sources fs.FS) (own []component, of []dependency, others []component, err error) {
	var lock lockFile
	if err := readJSON(sources, npmLock, &lock); err != nil {
		return nil, nil, nil, err
	}
	refs := map[string]component{} // by folder
	var folders []string
	for folder, p := range lock.Packages {
		if folder == "" || strings.Contains(folder, "node_modules/") {
			continue
		}
		var manifest struct {
			Name    string
			Private bool
		}
		if err := readJSON(sources, path.Join(path.Dir(npmLock), folder, "package.json"), &manifest); err != nil {
			return nil, nil, nil, err
		}
		if manifest.Private {
			continue
		}
		c := npmPackage(manifest.Name, p.Version)
		if strings.HasPrefix(manifest.Name, "or3-provider-") { // on npmjs.com, other packages have these names
			c = npmPackage("@or3-cloud/"+manifest.Name, p.Version)
		}
		refs[folder] = c
		folders = append(folders, folder)
	}
	slices.Sort(folders)
	for _, folder := range folders {
		own = append(own, refs[folder])
	}
	for i := 0; i < len(folders); i++ { // grows as packages are found
		folder := folders[i]
		d := dependency{Ref: refs[folder].Ref}
		for _, name := range slices.Sorted(maps.Keys(lock.Packages[folder].Dependencies)) {
			at, ok := lock.find(folder, name)
			if !ok {
				return nil, nil, nil, fmt.Errorf("%s lacks %s, on which %s depends", npmLock, name, folder)
			}
			if _, known := refs[at]; !known {
				refs[at] = npmPackage(name, lock.Packages[at].Version)
				folders = append(folders, at)
				others = append(others, refs[at])
			}
			d.On = append(d.On, refs[at].Ref)
		}
		of = append(of, d)
	}
	return own, of, others, nil
}

// find returns the folder of the package that a name means for the package in a folder: the nearest one, as Node.js
// looks for it.
func (l lockFile) find(folder, name string) (string, bool) {
	for {
		at := path.Join(folder, "node_modules", name)
		if p, ok := l.Packages[at]; ok {
			if p.Link {
				at = name // our own are in folders named after them
			}
			return at, true
		}
		if folder == "" || folder == "." {
			return "", false
		}
		folder = path.Dir(folder)
	}
}

func readJSON(sources fs.FS, name string, into any) error {
	text, err := fs.ReadFile(sources, name)
	if err == nil {
		if err = json.Unmarshal(text, into); err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
	}
	return err
}
