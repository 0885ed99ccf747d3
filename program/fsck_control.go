package program

import (
	"context"
	"maps"
	"slices"
	"sync"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/control"
	"or3.chat/cloud/internal/fsck"
)

// What travels between "or3-cloud fsck" and the instance, besides the requests and stretches of the check.
type (
	volumeInput struct {
		WorkspaceID string `json:"workspaceId"`
	}
	volume struct {
		Files int64 `json:"files"`
		Bytes int64 `json:"bytes"`
	}
)

// databaseInput asks for a stretch of the check of one database, or with an empty role for the roles that have one.
type databaseInput struct {
	Role string `json:"role"`
	or3cloud.DatabaseCheckRequest
}

type databaseOutput struct {
	Roles []string `json:"roles"`
	or3cloud.DatabaseStretch
}

// fsckCommands are the commands behind "or3-cloud fsck".
func fsckCommands(i *instance.Instance) control.Commands {
	return control.Commands{
		"fsck/volume": fsckCommand(i, func(ctx context.Context, i fsck.Instance, in volumeInput) (v volume, err error) {
			v.Files, v.Bytes, err = i.Files.StoredVolume(ctx, in.WorkspaceID)
			return v, err
		}),
		"fsck/database": control.Func(func(ctx context.Context, in databaseInput) (out databaseOutput, err error) {
			err = i.Operate(func(op instance.Operator) error {
				out.Roles = slices.Sorted(maps.Keys(op.Databases))
				d, ok := op.Databases[in.Role]
				if !ok {
					return nil
				}
				ctx, end := until(ctx, op.Closing)
				defer end()
				out.DatabaseStretch, err = d.CheckDatabase(ctx, in.DatabaseCheckRequest)
				return err
			})
			return out, err
		}),
		"fsck/run": fsckCommand(i, func(ctx context.Context, i fsck.Instance, in fsck.Request) (fsck.Stretch, error) {
			return i.Run(ctx, in)
		}),
	}
}

// fsckCommand makes a command of a function that reads stored files. It ends when the server shuts down, which a large
// file at a low rate would hold up otherwise.
func fsckCommand[In, Out any](i *instance.Instance, f func(context.Context, fsck.Instance, In) (Out, error)) control.Command {
	return control.Func(func(ctx context.Context, in In) (out Out, err error) {
		err = i.Operate(func(op instance.Operator) error {
			files, ok := op.Files.(or3cloud.BlobChecker)
			if !ok {
				return or3cloud.Errorf(or3cloud.CodeUnsupported, noLocalFiles)
			}
			workspaces, _ := op.Store.(or3cloud.WorkspaceDirectory)
			ctx, end := until(ctx, op.Closing)
			defer end()
			out, err = f(ctx, fsck.Instance{Files: files, Rows: op.Rows, References: op.References, Workspaces: workspaces}, in)
			return err
		})
		return out, err
	})
}

// until returns a context that also ends with closing, and a function that must be called in the end.
func until(ctx context.Context, closing <-chan struct{}) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-closing:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel()
		watch.Wait()
	}
}
