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

// SweepSettings removes the values kept under keys from the first to one before the second, and returns how many.
func (db *DB) SweepSettings(ctx context.Context, from, to string) (int, error) {
	var n int64
	err := db.writer.apply(ctx, lazy, func(b *batch) (err error) {
		n, err = b.exec(`DELETE FROM settings WHERE key >= ? AND key < ?`, from, to)
		return err
	})
	return int(n), wrap(err, "sweep settings")
}
