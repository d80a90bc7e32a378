package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hutong-im/hutong/internal/config"
)

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "print the JSON Schema of the config, for editors", Args: exactly(),
		Long: `Print the JSON Schema of config.yaml with every kind of adapter.

An editor that speaks YAML completes and checks the file when its first line says
  # yaml-language-server: $schema=hutong.schema.json`,
		RunE: func(*cobra.Command, []string) error {
			text, err := config.Schema(a.kinds)
			if err != nil {
				return fmt.Errorf("make the schema: %w", err)
			}
			_, err = fmt.Fprintf(a.out, "%s\n", text)
			return err
		},
	}
}
