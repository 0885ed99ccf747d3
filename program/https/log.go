package https

import (
	"context"
	"log/slog"

	"go.uber.org/zap/zapcore"
)

// zapLog receives the library's log and adds it to ours, as debug lines. This package itself says what people have to
// know.
type zapLog struct{ log *slog.Logger }

// Enabled implements zapcore.Core.
func (z zapLog) Enabled(zapcore.Level) bool {
	return z.log.Enabled(context.Background(), slog.LevelDebug)
}

// With implements zapcore.Core.
func (z zapLog) With(fields []zapcore.Field) zapcore.Core {
	return zapLog{z.log.With(attributes(fields)...)}
}

// Check implements zapcore.Core.
func (z zapLog) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if z.Enabled(e.Level) {
		return c.AddCore(e, z)
	}
	return c
}

// Write implements zapcore.Core.
func (z zapLog) Write(e zapcore.Entry, fields []zapcore.Field) error {
	z.log.Debug("certificates: "+e.Message, attributes(fields)...)
	return nil
}

// Sync implements zapcore.Core.
func (zapLog) Sync() error { return nil }

// attributes converts fields.
func attributes(fields []zapcore.Field) (out []any) {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(enc)
	}
	for name, value := range enc.Fields {
		out = append(out, slog.Any(name, value))
	}
	return out
}
