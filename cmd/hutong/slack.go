package main

import (
	"net/url"

	"github.com/spf13/cobra"

	"github.com/hutong-im/hutong/adapters/slack"
)

// slackCommand holds what is done once for a Slack workspace.
func (a *app) slackCommand() *cobra.Command {
	var o slack.ManifestOptions
	c := &cobra.Command{
		Use:   "manifest",
		Short: "print the manifest with which a company makes its own Slack app",
		Long: `Print the manifest with which a company makes its own Slack app.

Paste it at https://api.slack.com/apps, Create New App, From a manifest. Without --url the app speaks
Socket Mode, which needs no address that Slack can reach. docs/slack.md tells the rest.`,
		Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			if u, err := url.Parse(o.URL); o.URL != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
				return usage("--url must be like https://hutong.acme.example/hook/slack")
			}
			text, err := slack.Manifest(o)
			if err != nil {
				return err
			}
			_, err = a.out.Write(append(text, '\n'))
			return err
		},
	}
	c.Flags().StringVar(&o.Name, "name", "hutong", "what the app is called")
	c.Flags().StringVar(&o.URL, "url", "", "`URL` of the adapter's hook, for events over HTTP instead of Socket Mode")
	return group("slack", "what is done once for a Slack workspace", c)
}
