package https

import (
	"context"
	"log/slog"

	"go.uber.org/zap/zapcore"
)

// zapLog is where the library writes its log: into ours, as details. What people have to know is said by this package, in its own words.
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

// attributes are fields as ours have them.
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
