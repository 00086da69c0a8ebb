package artifact

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// keyName is the key of private files. Whoever has the data folder has both; the encryption guards copies of the files
// alone: a backup of artifacts, a disk that is given away.
const keyName = "private.key"

const keyBytes = 32 // AES-256

func (s *Store) privatePath(stageRunID int64, name string) string {
	return filepath.Join(s.dir, "private", shard(stageRunID), strconv.FormatInt(stageRunID, 10), fileName(name))
}

// KeepPrivate implements pipeline.ArtifactStore. A replay after a crash, when the file is already here, changes nothing.
func (s *Store) KeepPrivate(ctx context.Context, stageRunID int64, artifact pipeline.Artifact) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !validName(artifact.Name) {
		return fmt.Errorf("keep a private file: %q is no name for one", artifact.Name)
	}
	if err := s.keepPrivate(stageRunID, artifact); err != nil {
		return fmt.Errorf("keep the private file %s: %w", artifact.Name, explain(s.dir, err))
	}
	return nil
}

func (s *Store) keepPrivate(stageRunID int64, artifact pipeline.Artifact) error {
	target := s.privatePath(stageRunID, artifact.Name)
	content, err := os.ReadFile(artifact.Path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, here := os.Stat(target); here == nil {
			return nil // an earlier attempt did it
		}
	}
	if err != nil {
		return err
	}
	sealed, err := s.Seal(content, boundTo(stageRunID, artifact.Name))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	if err := writeWhole(target, sealed); err != nil {
		return err
	}
	return os.Remove(artifact.Path)
}

// Private implements pipeline.ArtifactStore.
func (s *Store) Private(ctx context.Context, stageRunID int64, name string) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	sealed, err := os.ReadFile(s.privatePath(stageRunID, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("private file %s: %w", name, pipeline.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("private file %s: %w", name, err)
	}
	content, err := s.Unseal(sealed, boundTo(stageRunID, name))
	if err != nil {
		return nil, fmt.Errorf("private file %s: %w", name, err)
	}
	return content, nil
}

// Seal encrypts what is kept elsewhere with the key of private files, which is made with the first of them. It can only be
// unsealed as what it is bound to.
func (s *Store) Seal(content []byte, boundTo string) ([]byte, error) {
	sealer, err := s.sealer(s.makeKey)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, sealer.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return sealer.Seal(nonce, nonce, content, []byte(boundTo)), nil
}

// Unseal gives back what was sealed. What was altered, is bound to something else, or has lost its key is
// pipeline.ErrUnreadable.
func (s *Store) Unseal(sealed []byte, boundTo string) ([]byte, error) {
	sealer, err := s.sealer(s.noKey) // a new one would open nothing, and stand in the way of the old one's return
	if err != nil {
		return nil, err
	}
	if len(sealed) < sealer.NonceSize() {
		return nil, fmt.Errorf("it is cut short: %w", pipeline.ErrUnreadable)
	}
	nonce, body := sealed[:sealer.NonceSize()], sealed[sealer.NonceSize():]
	content, err := sealer.Open(nil, nonce, body, []byte(boundTo))
	if err != nil {
		return nil, fmt.Errorf("it was altered, or its key is another one: %w", errors.Join(pipeline.ErrUnreadable, err))
	}
	return content, nil
}

// boundTo keeps a file from being taken for that of another attempt.
func boundTo(stageRunID int64, name string) string { return fmt.Sprintf("%d/%s", stageRunID, name) }

func (s *Store) keyPath() string { return filepath.Join(s.dir, keyName) }

// sealer has the key of the data folder; missing is what becomes of one that is not there.
func (s *Store) sealer(missing func() ([]byte, error)) (cipher.AEAD, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, err := os.ReadFile(s.keyPath())
	if errors.Is(err, fs.ErrNotExist) {
		key, err = missing()
	}
	if err != nil {
		return nil, fmt.Errorf("key of private files: %w", err)
	}
	if len(key) != keyBytes {
		return nil, fmt.Errorf("key of private files: %s has %d bytes instead of %d, restore it from a backup: %w", s.keyPath(), len(key), keyBytes, pipeline.ErrUnreadable)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (s *Store) makeKey() ([]byte, error) {
	key := make([]byte, keyBytes)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	return key, writeWhole(s.keyPath(), key)
}

func (s *Store) noKey() ([]byte, error) {
	return nil, fmt.Errorf("%s is lost, restore it from a backup: %w", s.keyPath(), pipeline.ErrUnreadable)
}

// writeWhole makes a file that is there with all its bytes on the disk, or not at all.
func writeWhole(path string, content []byte) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
