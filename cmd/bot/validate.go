package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/pipelinefile"
)

func validateCommand() *cobra.Command {
	var schema bool
	cmd := &cobra.Command{
		Use:   "validate [FILE]",
		Short: "Show every problem of a pipeline file (default " + pipelinefile.Path + ")",
		Args:  arguments(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if schema {
				_, err := cmd.OutOrStdout().Write(pipelinefile.Schema())
				return err
			}
			file := pipelinefile.Path
			if len(args) == 1 {
				file = args[0]
			}
			return validate(cmd, file)
		},
	}
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of pipeline files instead")
	return cmd
}

// readLimit is more than a pipeline file may have, so that one that is too large is told so and not cut.
const readLimit = 1 << 20

func readBounded(file string) (data []byte, err error) {
	f, err := os.Open(file) //nolint:gosec // the path is the caller's own argument
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(io.LimitReader(f, readLimit))
}

func validate(cmd *cobra.Command, file string) error {
	data, err := readBounded(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no file %s", file)
	}
	if err != nil {
		return err
	}
	definition, err := pipelinefile.Parse(file, data)
	if invalid, ok := errors.AsType[*pipeline.InvalidDefinitionError](err); ok {
		for _, problem := range invalid.Problems {
			if _, err := fmt.Fprintln(cmd.ErrOrStderr(), problem); err != nil {
				return err
			}
		}
		return silentError{exitFailed}
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is valid: %s, %s\n", file,
		display.Count(len(definition.Stages), "stage"), display.Count(len(definition.Environments), "environment"))
	return err
}
