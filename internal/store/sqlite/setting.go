package sqlite

import (
	"context"
	"fmt"
)

// Setting returns a value kept under a key (a checkpoint); ErrNotFound.
func (db *DB) Setting(ctx context.Context, key string) (string, error) {
	var value string
	err := db.look(ctx, func(v view) error {
		return v.one(`SELECT value FROM settings WHERE key = ?`, []any{key}, &value)
	})
	return value, wrap(err, "setting "+key)
}

// SetSetting keeps a value under a key.
func (db *DB) SetSetting(ctx context.Context, key, value string) error {
	return wrap(db.writer.apply(ctx, durable, func(b *batch) error {
		_, err := b.exec(`INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`, key, value)
		return err
	}), fmt.Sprintf("setting %s", key))
}
