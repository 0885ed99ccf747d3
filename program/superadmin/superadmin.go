// Package superadmin has the commands for the super administrator, and prints the answers.
package superadmin

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"or3.chat/cloud/operator"
)

// Command is the parent of the commands for the super administrator. Those for deployment administrators, who are
// users, are below "or3-cloud user".
func Command() *cobra.Command {
	return &cobra.Command{
		Use:   "admin",
		Short: "Manage the super administrator",
		Long: "Manage the super administrator, whose name and password are OR3_ADMIN_USERNAME and OR3_ADMIN_PASSWORD until the first sign-in. Deployment administrators\n" +
			"are users: or3-cloud user admin.",
		Example: "  or3-cloud admin password",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
}

// Password is the command that sets a password. Its flag goes into in.
func Password(in *operator.SuperAdminPassword) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "password",
		Short: "Set a new password, for someone who has forgotten the old one",
		Long: "Set a new password for the super administrator and end all their sessions. It is asked for at the terminal, twice and hidden, or read\n" +
			"from standard input, and must have at least 12 characters with upper-case and lower-case letters and a digit. From then on\n" +
			"OR3_ADMIN_USERNAME and OR3_ADMIN_PASSWORD only mean that there is a super administrator; their values no longer count.",
		Example: "  or3-cloud admin password\n  or3-cloud admin password --username root\n  or3-cloud admin password < password.txt",
	}
	cmd.Flags().StringVar(&in.Username, "username", "", "a new name from now on")
	return cmd
}

// Write writes the answer in words.
func Write(w io.Writer, out operator.SuperAdminName) {
	fmt.Fprintf(w, "The super administrator %s has a new password, and all their sessions have ended.\n", out.Username)
}
