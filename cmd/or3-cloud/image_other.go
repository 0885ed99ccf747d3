//go:build !linux

package main

import "os"

// runningImage is the program that this process runs, as far as its path still leads to it.
func (a app) runningImage() image { return image{path: a.program} }

func sureName(*os.File) string { return "" }
