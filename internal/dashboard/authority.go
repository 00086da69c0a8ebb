package dashboard

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/singleflight"
)

const (
	// answerAge is how long GitHub's word on who may see what counts.
	answerAge = time.Minute
	// refusalAge is how long a question that GitHub did not answer is not asked again. Meanwhile it is refused.
	refusalAge = 10 * time.Second
	// answerTime is how long GitHub may think.
	answerTime = 10 * time.Second
	// maxAnswers bounds what is remembered.
	maxAnswers = 20_000
)

// sight remembers for a minute what GitHub says about who may see a repository. A question it does not answer is refused.
type sight struct {
	authority Authority
	now       func() time.Time
	log       zerolog.Logger

	asking singleflight.Group
	mu     sync.Mutex
	known  map[question]answer
}

// question is whether a person may see a repository; person 0: whether everybody may.
type question struct{ repository, person int64 }

type answer struct {
	yes   bool
	until time.Time
}

func newSight(authority Authority, now func() time.Time, log zerolog.Logger) *sight {
	return &sight{authority: authority, now: now, log: log, known: map[question]answer{}}
}

// everybody reports whether a repository is public.
func (s *sight) everybody(ctx context.Context, repositoryID int64) bool {
	return s.answer(ctx, question{repository: repositoryID}, func(ctx context.Context) (bool, error) {
		return s.authority.Public(ctx, repositoryID)
	})
}

// person reports whether somebody may see a repository that is not public.
func (s *sight) person(ctx context.Context, repositoryID int64, who Person) bool {
	return s.answer(ctx, question{repositoryID, who.ID}, func(ctx context.Context) (bool, error) {
		permission, err := s.authority.Permission(ctx, repositoryID, who)
		return permission == "read" || permission == "write" || permission == "admin", err
	})
}

// answer asks what is not known. Visitors who wait for the same answer ask once; one who leaves takes it from nobody.
func (s *sight) answer(ctx context.Context, q question, ask func(context.Context) (bool, error)) bool {
	if a, ok := s.recall(q); ok {
		return a
	}
	key := strconv.FormatInt(q.repository, 10) + "/" + strconv.FormatInt(q.person, 10)
	asked := s.asking.DoChan(key, func() (any, error) {
		if a, ok := s.recall(q); ok { // another asked meanwhile
			return a, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
		defer cancel()
		yes, err := ask(ctx)
		if err != nil {
			s.remember(q, answer{false, s.now().Add(refusalAge)})
			return false, fmt.Errorf("who may see repository %d: %w", q.repository, err)
		}
		s.remember(q, answer{yes, s.now().Add(answerAge)})
		return yes, nil
	})
	select {
	case result := <-asked:
		if result.Err != nil {
			s.log.Error().Err(result.Err).Int64("account", q.person).Msg("a page was refused, since GitHub could not be asked")
			return false
		}
		return result.Val == true
	case <-ctx.Done():
		return false
	}
}

func (s *sight) recall(q question) (yes, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.known[q]
	return a.yes, ok && s.now().Before(a.until)
}

// remember lets go of what is old, or of everything, before there is too much of it.
func (s *sight) remember(q question, a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxAnswers {
		for old, known := range s.known {
			if !s.now().Before(known.until) {
				delete(s.known, old)
			}
		}
		if len(s.known) >= maxAnswers {
			clear(s.known)
		}
	}
	s.known[q] = a
}
