package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

const about = `hutong 互通 lets a company keep working in the workspace it has while its customers
write from the messengers they have.

  hutong run        starts the gateway; everything else works while it runs and while it does not

Exit codes:
  0  done
  1  it did not work; the message says why and what to do
  2  the command line is wrong
  3  the config has mistakes; each is listed with its place
  4  what was asked for is not there
  5  a person must act (check --live): the message says where and how`

// execute runs one command line and says how it went.
func (a *app) execute(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	if err != nil {
		_, _ = fmt.Fprintln(a.err, complaint(err))
	}
	return exitCode(err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "hutong", Short: "the gateway between a company's workspace and its customers' messengers", Long: about,
		SilenceUsage: true, SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return usage("there is no command %q%s; hutong --help lists them", args[0], alternatives(cmd, args[0]))
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%v; see %s --help", err, cmd.CommandPath())
	})
	root.PersistentFlags().StringVarP(&a.config, "config", "c", "config.yaml", "the config `FILE`")
	root.AddCommand(
		a.runCommand(), a.checkCommand(), a.cardCommand(), a.signInCommand(), a.deliveriesCommand(),
		a.linksCommand(), a.contactCommand(), a.statusCommand(), a.backupCommand(), a.restoreCommand(),
		a.schemaCommand(), a.versionCommand(), a.verifyCommand(), a.slackCommand(),
	)
	return root
}

// group is a command that only holds others.
func group(use, short string, sub ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("there is no command %q%s; see %s --help", cmd.CommandPath()+" "+args[0], alternatives(cmd, args[0]), cmd.CommandPath())
			}
			return cmd.Help()
		},
	}
	c.AddCommand(sub...)
	return c
}

func alternatives(cmd *cobra.Command, word string) string {
	cmd.SuggestionsMinimumDistance = 2
	if list := cmd.SuggestionsFor(word); len(list) > 0 {
		return ", did you mean " + list[0] + "?"
	}
	return ""
}

// exactly is cobra.ExactArgs in words that name what is missing.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usage("%s is missing; see %s --help", names[len(args)], cmd.CommandPath())
		case len(args) > len(names):
			return usage("%q is one word too many; see %s --help", args[len(names)], cmd.CommandPath())
		}
		return nil
	}
}
