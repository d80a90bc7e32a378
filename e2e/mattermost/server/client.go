package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Client speaks to the server for one account.
type Client struct {
	ID string

	url   string
	token string
	http  *http.Client
}

// NewClient makes a client with a token.
func NewClient(address, token string) *Client {
	return &Client{url: address + "/api/v4", token: token, http: &http.Client{
		Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16},
	}}
}

// Refused is an answer that is not 2xx.
type Refused struct {
	Status int
	Text   string
}

func (r *Refused) Error() string { return fmt.Sprintf("%d: %s", r.Status, r.Text) }

// Do calls the API: in is the body, unless it is nil; out takes the answer, unless it is nil.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	_, err := c.call(ctx, method, path, in, out)
	return err
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) (http.Header, error) {
	var body io.Reader
	switch in := in.(type) {
	case nil:
	case []byte:
		body = bytes.NewReader(in)
	default:
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %w", method, path, &Refused{resp.StatusCode, string(answer)})
	}
	switch out := out.(type) {
	case nil:
	case *[]byte:
		*out = answer
	default:
		if err := json.Unmarshal(answer, out); err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	return resp.Header, nil
}

// Make makes something and returns its id.
func (c *Client) Make(ctx context.Context, path string, in any) (string, error) {
	var out struct {
		ID string `json:"id"`
	}
	err := c.Do(ctx, http.MethodPost, path, in, &out)
	return out.ID, err
}

// Post is a message.
type Post struct {
	ID       string         `json:"id"`
	CreateAt int64          `json:"create_at"`
	EditAt   int64          `json:"edit_at"`
	UserID   string         `json:"user_id"`
	RootID   string         `json:"root_id"`
	Message  string         `json:"message"`
	Type     string         `json:"type"`
	Pinned   bool           `json:"is_pinned"`
	Props    map[string]any `json:"props"`
	FileIDs  []string       `json:"file_ids"`
	Metadata struct {
		Reactions []struct {
			UserID string `json:"user_id"`
			Emoji  string `json:"emoji_name"`
		} `json:"reactions"`
		Files []struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		} `json:"files"`
	} `json:"metadata"`
}

// Reaction reports whether an account has put the emoji on the post.
func (p *Post) Reaction(user, emoji string) bool {
	for _, r := range p.Metadata.Reactions {
		if r.UserID == user && r.Emoji == emoji {
			return true
		}
	}
	return false
}

// Say posts.
func (c *Client) Say(ctx context.Context, channel, text string) (string, error) {
	return c.Make(ctx, "/posts", map[string]any{"channel_id": channel, "message": text})
}

// Posts are all of a channel's, oldest first; what the server itself says of the channel is left out.
func (c *Client) Posts(ctx context.Context, channel string) ([]Post, error) {
	var out []Post
	for before := ""; ; {
		var list struct {
			Order []string        `json:"order"`
			Posts map[string]Post `json:"posts"`
		}
		path := "/channels/" + channel + "/posts?per_page=200"
		if before != "" {
			path += "&before=" + before
		}
		if err := c.Do(ctx, http.MethodGet, path, nil, &list); err != nil {
			return nil, err
		}
		if len(list.Order) == 0 {
			break
		}
		for _, id := range list.Order {
			if p := list.Posts[id]; p.Type == "" {
				out = append(out, p)
			}
		}
		before = list.Order[len(list.Order)-1]
	}
	slices.Reverse(out)
	return out, nil
}

// Channel is a chat.
type Channel struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Title    string `json:"display_name"`
	Header   string `json:"header"`
	Type     string `json:"type"`
	DeleteAt int64  `json:"delete_at"`
}

// Channels are those that the account is in.
func (c *Client) Channels(ctx context.Context) ([]Channel, error) {
	var out []Channel
	err := c.Do(ctx, http.MethodGet, "/users/me/channels", nil, &out)
	return out, err
}

// Upload brings a file to the server and returns its id, for a post.
func (c *Client) Upload(ctx context.Context, channel, name string, data []byte) (string, error) {
	var out struct {
		Infos []struct {
			ID string `json:"id"`
		} `json:"file_infos"`
	}
	q := url.Values{"channel_id": {channel}, "filename": {name}}
	if err := c.Do(ctx, http.MethodPost, "/files?"+q.Encode(), data, &out); err != nil {
		return "", err
	}
	if len(out.Infos) != 1 {
		return "", fmt.Errorf("upload %s: no id", name)
	}
	return out.Infos[0].ID, nil
}
