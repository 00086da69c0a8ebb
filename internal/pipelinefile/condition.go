package pipelinefile

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"go.yaml.in/yaml/v3"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Limits of a condition: what one may cost when it is read and each time it is evaluated. The cost covers a loop over
// the 3,000 paths GitHub lists of a commit.
const (
	conditionLength = 2_000
	conditionDepth  = 50
	conditionNodes  = 5_000
	conditionCost   = 1_000_000
)

// conditionVariables are the facts an `if` may ask for.
func conditionVariables() []cel.EnvOption {
	return []cel.EnvOption{
		cel.Variable("event", cel.StringType),
		cel.Variable("branch", cel.StringType),
		cel.Variable("base", cel.StringType),
		cel.Variable("actor", cel.StringType),
		cel.Variable("labels", cel.ListType(cel.StringType)),
		cel.Variable("paths", cel.ListType(cel.StringType)),
		cel.Variable("fork", cel.BoolType),
		cel.Variable("environment", cel.StringType),
	}
}

func conditionNames() []string {
	return []string{"event", "branch", "base", "actor", "labels", "paths", "fork", "environment"}
}

// conditionEnv is made once: it never changes and is safe for concurrent use.
var conditionEnv = sync.OnceValues(func() (*cel.Env, error) { //nolint:gochecknoglobals // a constant that takes a moment to make
	return cel.NewEnv(append(conditionVariables(),
		cel.ParserExpressionSizeLimit(conditionLength), cel.ParserRecursionLimit(conditionDepth),
		cel.ExpressionNodeLimit(conditionNodes), cel.ParserErrorRecoveryLimit(1), cel.RegexProgramSizeLimit(1_000),
		cel.ASTValidators(cel.ValidateRegexLiterals()))...)
})

// condition is a compiled `if`.
type condition struct {
	text    string
	program cel.Program
}

func (c condition) String() string { return c.text }

// MarshalText keeps the expression where a definition is shown as JSON.
func (c condition) MarshalText() ([]byte, error) { return []byte(c.text), nil }

func (c condition) Holds(facts pipeline.ConditionFacts) (bool, error) {
	result, _, err := c.program.Eval(map[string]any{
		"event": string(facts.Event), "branch": facts.Branch, "base": facts.Base, "actor": facts.Actor,
		"labels": append([]string{}, facts.Labels...), "paths": append([]string{}, facts.Paths...),
		"fork": facts.Fork, "environment": facts.Environment,
	})
	if err != nil {
		return false, fmt.Errorf("the condition %q cannot be evaluated: %w", c.text, err)
	}
	holds, ok := result.Value().(bool)
	if !ok {
		return false, fmt.Errorf("the condition %q is neither true nor false", c.text)
	}
	return holds, nil
}

// conditionError is one thing wrong with an expression; line and column count from 1 within it.
type conditionError struct {
	line, column int
	message      string
}

var errActionsSyntax = errors.New(`is written without ${{ }}: for instance branch == "main"`)

// compileCondition compiles an expression that must be true or false.
func compileCondition(text string) (pipeline.Condition, []conditionError) {
	fail := func(message string) []conditionError { return []conditionError{{1, 1, message}} }
	if strings.Contains(text, "${{") {
		return nil, fail(errActionsSyntax.Error())
	}
	if len(text) > conditionLength {
		return nil, fail(fmt.Sprintf("is longer than %d characters: move the logic into a script", conditionLength))
	}
	env, err := conditionEnv()
	if err != nil {
		return nil, fail(err.Error())
	}
	ast, issues := env.Compile(text)
	if issues != nil && issues.Err() != nil {
		return nil, conditionErrors(issues)
	}
	if !ast.OutputType().IsExactType(cel.BoolType) {
		return nil, fail(fmt.Sprintf("must be true or false, but this is of type %s: compare it with something", ast.OutputType()))
	}
	program, err := env.Program(ast, cel.CostLimit(conditionCost))
	if err != nil {
		return nil, fail(err.Error())
	}
	return condition{text, program}, nil
}

var undeclared = regexp.MustCompile(`^undeclared reference to '([^']*)'.*$`)

func conditionErrors(issues *cel.Issues) []conditionError {
	list := make([]conditionError, 0, len(issues.Errors()))
	for _, e := range issues.Errors() {
		message := "is no valid condition: " + strings.TrimPrefix(e.Message, "Syntax error: ")
		if found := undeclared.FindStringSubmatch(e.Message); found != nil {
			message = fmt.Sprintf("knows no %s: %s", show(found[1]), unknown(found[1], conditionNames()))
		} else if strings.Contains(e.Message, "mismatched input '<EOF>'") {
			message = "is not finished: something is missing at its end"
		}
		list = append(list, conditionError{max(e.Location.Line(), 1), e.Location.Column() + 1, message})
	}
	return list
}

// condition compiles the `if` of a stage and points into the expression where it can.
func (d *decoder) condition(text string, at path) pipeline.Condition {
	compiled, wrong := compileCondition(text)
	node := d.places[at].value // `if` has been read, so it stands somewhere
	for _, w := range wrong {
		line, column := position(node, w)
		d.addf(line, column, "%s %s", at, w.message)
	}
	return compiled
}

// position finds the place of an error in the file. In folded text the lines of the file are not those of the
// expression; there the beginning must do.
func position(n *yaml.Node, e conditionError) (line, column int) {
	switch {
	case n.Style&yaml.LiteralStyle != 0:
		return n.Line + e.line, e.column
	case n.Style&yaml.FoldedStyle != 0 || e.line > 1:
		return n.Line, n.Column
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		return n.Line, n.Column + e.column
	default:
		return n.Line, n.Column + e.column - 1
	}
}
