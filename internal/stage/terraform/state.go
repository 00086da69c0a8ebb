package terraform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"golang.org/x/sys/unix"

	"github.com/slipwayhq/slipway/internal/report"
)

// state is which state it is, not what is in it.
type state struct {
	Serial    uint64 `json:"serial"`
	Lineage   string `json:"lineage"`
	Resources int    `json:"-"`
}

// String is "serial 7 (lineage 8e17a804), 3 resources".
func (s state) String() string {
	if s.Lineage == "" {
		return "no state yet"
	}
	return fmt.Sprintf("serial %d (lineage %.8s), %s", s.Serial, s.Lineage, report.Count(s.Resources, "resource"))
}

// same reports whether nobody has written the state in between.
func (s state) same(other state) bool { return s.Serial == other.Serial && s.Lineage == other.Lineage }

// readState asks Terraform for the state and reads away what is in it: it may hold secrets, and be large.
func (a *attempt) readState(ctx context.Context) (state, error) {
	read, write := io.Pipe()
	type answer struct {
		state state
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		s, err := decodeState(read)
		_, drained := io.Copy(io.Discard, read) // a writer that nobody reads would wait for ever
		answered <- answer{s, errors.Join(err, drained)}
	}()
	exit, err := a.run(ctx, command{args: []string{"state", "pull", "-no-color"}, access: true, stdout: write})
	_ = write.Close() // never fails
	got := <-answered
	switch {
	case err != nil:
		return state{}, err
	case !exit.OK():
		return state{}, a.broken("Reading the state", exit)
	case got.err != nil:
		return state{}, fail("The state cannot be read", "The state in %s cannot be read: %v.", a.backend, got.err)
	}
	return got.state, nil
}

// decodeState reads a state of version 4, which both Terraform and OpenTofu write. Nothing at all is no state yet.
func decodeState(r io.Reader) (state, error) {
	decoder := json.NewDecoder(r)
	token, err := decoder.Token()
	if errors.Is(err, io.EOF) {
		return state{}, nil
	}
	if err != nil || token != json.Delim('{') {
		return state{}, errors.Join(errors.New("it is no JSON object"), err)
	}
	var s state
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return s, err
		}
		switch key {
		case "serial":
			err = decoder.Decode(&s.Serial)
		case "lineage":
			err = decoder.Decode(&s.Lineage)
		case "resources":
			s.Resources, err = skipValue(decoder, "instances")
		default:
			_, err = skipValue(decoder, "")
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// skipValue reads a value away and counts the elements of the arrays that have a key two levels below.
func skipValue(decoder *json.Decoder, counted string) (n int, err error) {
	depth, counting := 0, 0
	keyed := false
	for {
		token, err := decoder.Token()
		if err != nil {
			return n, err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
			if keyed && token == json.Delim('[') {
				counting = depth
			} else if counting > 0 && depth == counting+1 {
				n++
			}
			keyed = false
		case json.Delim('}'), json.Delim(']'):
			if depth == counting {
				counting = 0
			}
			depth--
		default:
			keyed = counting == 0 && counted != "" && depth == 2 && token == counted
		}
		if depth == 0 {
			return n, nil
		}
	}
}

// heldLock is who holds the lock of the state now, as far as this can be known without taking it. known is false for
// backends that only Terraform itself can ask.
func (a *attempt) heldLock(ctx context.Context) (lock *lockInfo, known bool, err error) {
	switch {
	case a.backend.kind == backendLocal && a.backend.folder != "":
		lock, err = a.localLock()
		return lock, true, err
	case a.backend.kind == backendS3 && a.access != nil && !a.backend.ownCredentials():
		lock, err = a.bucketLock(ctx)
		if err == nil && lock == nil && a.backend.table().Name != "" {
			lock, err = a.tableLock(ctx)
		}
		return lock, true, err
	default:
		return nil, false, nil
	}
}

// localLock asks the kernel: the file beside the state stays behind when Terraform is killed, the lock does not.
func (a *attempt) localLock() (*lockInfo, error) {
	root, err := os.OpenRoot(a.backend.folder)
	if err != nil {
		return nil, fmt.Errorf("look for the lock of the state: %w", err)
	}
	defer root.Close() //nolint:errcheck // opened for reading
	name, err := filepath.Rel(a.backend.folder, a.backend.statePath())
	if err != nil {
		return nil, fmt.Errorf("look for the lock of the state: %w", err)
	}
	file, err := root.OpenFile(name, os.O_RDWR|unix.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil //nolint:nilnil // no state, so no lock
	}
	if err != nil {
		return nil, fmt.Errorf("look for the lock of the state: %w", err)
	}
	defer file.Close() //nolint:errcheck // nothing is written
	held := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(file.Fd(), unix.F_GETLK, &held); err != nil {
		return nil, fmt.Errorf("look for the lock of the state: %w", err)
	}
	if held.Type == unix.F_UNLCK {
		return nil, nil //nolint:nilnil // nobody holds it
	}
	lock := &lockInfo{ID: "unknown"}
	text, err := readFile(root, filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".lock.info"), maxSmall)
	if err == nil && json.Unmarshal(text, lock) != nil {
		lock = &lockInfo{ID: "unknown"}
	}
	return lock, nil
}

// bucketLock reads the lock file of the S3 backend (use_lockfile).
func (a *attempt) bucketLock(ctx context.Context) (*lockInfo, error) {
	bucket := a.backend.bucket()
	out, err := a.access.S3(bucket).GetObject(ctx, &s3.GetObjectInput{
		Bucket: aws.String(bucket.Name), Key: aws.String(a.backend.stateKey() + ".tflock"),
	})
	if missing(err) {
		return nil, nil //nolint:nilnil // no lock
	}
	if err != nil {
		return nil, fmt.Errorf("look for the lock of %s: %w", a.backend, err)
	}
	defer out.Body.Close() //nolint:errcheck // read to its end or to its bound
	text, err := io.ReadAll(io.LimitReader(out.Body, maxSmall))
	if err != nil {
		return nil, fmt.Errorf("read the lock of %s: %w", a.backend, err)
	}
	return parseLock(text), nil
}

func missing(err error) bool {
	if _, ok := errors.AsType[*s3types.NoSuchKey](err); ok {
		return true
	}
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && (api.ErrorCode() == "NoSuchKey" || api.ErrorCode() == "NotFound")
}

// tableLock reads the item of the S3 backend's table of locks.
func (a *attempt) tableLock(ctx context.Context) (*lockInfo, error) {
	table := a.backend.table()
	out, err := a.access.DynamoDB(table).GetItem(ctx, &dynamodb.GetItemInput{
		TableName: aws.String(table.Name), ConsistentRead: aws.Bool(true),
		Key: map[string]dynamotypes.AttributeValue{
			"LockID": &dynamotypes.AttributeValueMemberS{Value: a.backend.settings["bucket"] + "/" + a.backend.stateKey()},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("look for the lock of %s: %w", a.backend, err)
	}
	info, ok := out.Item["Info"].(*dynamotypes.AttributeValueMemberS)
	if !ok {
		return nil, nil //nolint:nilnil // no lock: an item without Info holds the checksum of the state
	}
	return parseLock([]byte(info.Value)), nil
}

func parseLock(text []byte) *lockInfo {
	lock := &lockInfo{}
	if json.Unmarshal(text, lock) != nil || lock.ID == "" {
		return &lockInfo{ID: "unknown"}
	}
	return lock
}
