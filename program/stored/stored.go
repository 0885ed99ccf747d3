// Package stored prints stored files on the command line: what there is, what is deleted, and what is damaged.
package stored

import (
	"fmt"
	"io"
	"text/tabwriter"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/fsck"
	"or3.chat/cloud/operator"
	"or3.chat/cloud/program/console"
)

// WriteCollection prints what a collection has done, or would do, and what there is.
func WriteCollection(w io.Writer, r operator.Collection) error {
	if r.DryRun {
		WriteGoing(w, r.Going)
	} else {
		fmt.Fprintf(w, "Checked %d files in %d workspaces and moved %d to the trash.\n", r.Scanned, r.Workspaces, r.IntoTrash)
	}
	if r.Disabled != "" {
		fmt.Fprintf(w, "Nothing can be collected: %s.\n", r.Disabled)
	}
	return writeStored(w, r.Stored)
}

// WriteGoing prints what a collection would move one step further.
func WriteGoing(w io.Writer, going []or3cloud.StoredItem) {
	bytes := int64(0)
	for _, item := range going {
		bytes += item.Bytes
		fmt.Fprintf(w, "%s  %s  %s: %s\n", item.State, item.Name, console.Bytes(item.Bytes), item.Reason)
	}
	fmt.Fprintf(w, "%d files, %s, would move one step further.\n", len(going), console.Bytes(bytes))
}

// writeStored writes a table of everything that is stored.
func writeStored(w io.Writer, stored operator.StoredTotals) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\nstored\tfiles\tsize\t")
	for _, state := range []or3cloud.StorageState{
		or3cloud.StorageLive, or3cloud.StorageOrphaned, or3cloud.StorageTrash, or3cloud.StorageTemporary, or3cloud.StorageStray,
	} {
		fmt.Fprintf(table, "%s\t%d\t%s\t\n", state, stored[state].Items, console.Bytes(stored[state].Bytes))
	}
	return table.Flush()
}

// WriteCheck prints what a check has found.
func WriteCheck(w io.Writer, r operator.CheckReport) {
	for _, f := range r.Damaged {
		fmt.Fprintf(w, "damaged     %s", f.Database)
		if f.WorkspaceID != "" {
			fmt.Fprintf(w, "  workspace %s", f.WorkspaceID)
		}
		fmt.Fprintf(w, "  %s\n", f.Fault)
	}
	if len(r.Damaged) > 0 {
		fmt.Fprintln(w, "A database is damaged. Stop the server and restore a backup (docs/operations.md); devices push again only what they have not pushed yet.")
	}
	for _, f := range r.Findings {
		writeFinding(w, f)
	}
	fmt.Fprintf(w, "Read %d pages of the databases: %d errors.\n", r.Pages, len(r.Damaged))
	fmt.Fprintf(w, "Read %d files, %s, and looked up %d rows: %d missing, %d corrupt, %d unreadable, %d orphaned.\n",
		r.Files, console.Bytes(r.Bytes), r.Rows, r.Missing, r.Corrupt, r.Unreadable, r.Orphaned)
}

func writeFinding(w io.Writer, f fsck.Finding) {
	fmt.Fprintf(w, "%-10s  workspace %s  %s  %s", f.Kind, f.WorkspaceID, f.Hash, console.Bytes(f.SizeBytes))
	if f.Detail != "" {
		fmt.Fprintf(w, "  %q", f.Detail)
	}
	if f.Quarantined {
		fmt.Fprint(w, "  (moved into quarantine)")
	}
	fmt.Fprintln(w)
}
