// Package console talks to the person who runs a command: at a terminal, or through standard input and output.
package console

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxLine limits what is read of a line.
const maxLine = 4096

// Console is where a command asks questions.
type Console struct {
	In  *os.File
	Out io.Writer
}

// IsTerminal reports whether there is someone to ask.
func (c Console) IsTerminal() bool { return term.IsTerminal(int(c.In.Fd())) }

// NewPassword asks for a password twice, without showing it, or reads a line of standard input if that is not a
// terminal. It never comes from the command line, where every user of the machine can read it.
func (c Console) NewPassword() (string, error) {
	if !c.IsTerminal() {
		password, err := c.line()
		if err == nil && password == "" {
			err = errors.New("there is no password on standard input; run the command in a terminal and type it, or pipe it in: or3-cloud user … < file")
		}
		return password, err
	}
	password, err := c.secret("New password: ")
	if err != nil {
		return "", err
	}
	again, err := c.secret("Repeat the password: ")
	switch {
	case err != nil:
		return "", err
	case password != again:
		return "", errors.New("the passwords do not match")
	case password == "":
		return "", errors.New("the password is empty")
	}
	return password, nil
}

// secret reads a line from the terminal without showing it. An interrupt must not leave the terminal without echo.
func (c Console) secret(prompt string) (string, error) {
	fd := int(c.In.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	interrupted, read := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(interrupted, os.Interrupt)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-interrupted:
			_ = term.Restore(fd, before)
			os.Exit(exitInterrupted)
		case <-read:
		}
	}()
	fmt.Fprint(c.Out, prompt)
	text, err := term.ReadPassword(fd)
	fmt.Fprintln(c.Out)
	signal.Stop(interrupted)
	close(read)
	<-watched
	if errors.Is(err, io.EOF) {
		err = errors.New("nothing was typed")
	}
	return string(text), err
}

// exitInterrupted is what shells expect from an interrupted program.
const exitInterrupted = 130

// Answer asks a question at the terminal.
func (c Console) Answer(prompt string) (string, error) {
	fmt.Fprint(c.Out, prompt)
	return c.line()
}

// Confirm asks before doing what its caller has shown. Without a terminal, as in scripts, the author of the
// command has decided.
func (c Console) Confirm(yes bool, what string) error {
	if yes || !c.IsTerminal() {
		return nil
	}
	answer, err := c.Answer(what + "? Type yes: ")
	if err == nil && answer != "yes" {
		err = errors.New("nothing was changed")
	}
	return err
}

// BindYes binds the flag that answers Confirm.
func BindYes(cmd *cobra.Command, yes *bool) {
	cmd.Flags().BoolVar(yes, "yes", false, "do not ask for confirmation")
}

// line reads a line of standard input, without its end.
func (c Console) line() (string, error) {
	text, err := bufio.NewReader(io.LimitReader(c.In, maxLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read standard input: %w", err)
	}
	return strings.TrimRight(text, "\r\n"), nil
}
