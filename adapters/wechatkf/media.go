package wechatkf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
	"github.com/hutong-im/hutong/internal/tencent"
)

// What a file's reference begins with: a customer's file, then its type and media_id; or a picture's address.
const (
	refMedia  = "media/"
	refAvatar = "avatar/"
)

// mediaFile is a customer's file by reference. Their names, if they have any, come with their content.
func (a *adapter) mediaFile(kind, id string) bridge.File {
	f := bridge.File{Ref: refMedia + kind + "/" + id}
	switch kind {
	case "image":
		f.Name, f.Type = a.words().kinds[kind]+".jpg", "image/jpeg"
	case "video":
		f.Name, f.Type = a.words().kinds[kind]+".mp4", "video/mp4"
	case "voice":
		f.Name, f.Type = a.words().kinds[kind]+".amr", "audio/amr"
		if a.ffmpeg != "" {
			f.Name, f.Type = a.words().kinds[kind]+".mp3", "audio/mpeg"
		}
	default:
		f.Name, f.Type = a.words().kinds[kind], "application/octet-stream"
	}
	return f
}

// nameFiles asks what documents are called. One that cannot be asked for keeps its plain name.
func (a *adapter) nameFiles(ctx context.Context, files []bridge.File) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	for i := range files {
		d, err := a.download(ctx, files[i].Ref)
		if err != nil {
			a.env.Log.DebugContext(ctx, "a file's name cannot be had", "err", err)
			continue
		}
		_ = d.Body.Close()
		files[i].Size = d.Size
		if d.Name != "" {
			files[i].Name = d.Name
		}
		if d.Type != "" {
			files[i].Type = d.Type
		}
	}
}

func (a *adapter) download(ctx context.Context, ref string) (*tencent.Download, error) {
	_, id, ok := strings.Cut(strings.TrimPrefix(ref, refMedia), "/")
	if !ok || id == "" {
		return nil, bridge.Permanent(errors.New("not a file of this network"))
	}
	d, err := a.api.Download(ctx, "/cgi-bin/media/get", url.Values{"media_id": {id}})
	if codeOf(err) == 40007 { // kept for three days only
		return nil, bridge.Permanent(fmt.Errorf("the file is not there any more: %w", err))
	}
	return d, err
}

// Fetch reads a customer's file, or their picture.
func (a *adapter) Fetch(ctx context.Context, f bridge.File) (io.ReadCloser, error) {
	if address, ok := strings.CutPrefix(f.Ref, refAvatar); ok {
		return a.picture(ctx, address)
	}
	if !strings.HasPrefix(f.Ref, refMedia) {
		return nil, bridge.Permanent(errors.New("not a file of this network"))
	}
	d, err := a.download(ctx, f.Ref)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(f.Ref, refMedia+"voice/") && a.ffmpeg != "" {
		return a.playable(ctx, d.Body)
	}
	return d.Body, nil
}

// picture reads from an address that came from outside.
func (a *adapter) picture(ctx context.Context, address string) (io.ReadCloser, error) {
	req, err := httpx.Request(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, bridge.Permanent(err)
	}
	resp, err := a.pictures.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok { // quotes the address
			err = u.Err
		}
		if errors.Is(err, bridge.ErrRefused) {
			return nil, bridge.Permanent(fmt.Errorf("a customer's picture: %w", err))
		}
		return nil, fmt.Errorf("a customer's picture: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, httpx.Verdict(req.URL.Host, resp.StatusCode, resp.Header, a.env.Now())
	}
	return resp.Body, nil
}

// playable makes AMR, which browsers do not play, into MP3. What ffmpeg cannot read is passed on as it is.
func (a *adapter) playable(ctx context.Context, body io.ReadCloser) (io.ReadCloser, error) {
	amr, err := io.ReadAll(io.LimitReader(body, maxVoice+1))
	if cerr := body.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("read a voice message: %w", err)
	}
	if len(amr) > maxVoice {
		return nil, bridge.Permanent(fmt.Errorf("a voice message of more than %d bytes: %w", maxVoice, bridge.ErrTooLarge))
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, a.ffmpeg, "-hide_banner", "-loglevel", "error", "-protocol_whitelist", "pipe", //nolint:gosec // found on the PATH at start; the arguments are constant
		"-f", "amr", "-i", "pipe:0", "-f", "mp3", "pipe:1")
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout = bytes.NewReader(amr), &out
	cmd.Env, cmd.Dir = []string{"PATH=" + os.Getenv("PATH")}, os.TempDir() // it reads a stranger's bytes, and no secrets
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil || out.Len() == 0 {
		a.env.Log.WarnContext(ctx, "a voice message could not be made playable and is passed on as it is", "err", err)
		return io.NopCloser(bytes.NewReader(amr)), nil
	}
	return io.NopCloser(&out), nil
}

// upload brings a file to WeCom as what it can be shown as.
func (a *adapter) upload(ctx context.Context, f bridge.Attachment) (part, error) {
	switch {
	case f.Size < minFile:
		return part{}, bridge.Permanent(errors.New(a.words().small))
	case f.Size > maxFile:
		return part{}, bridge.Permanent(fmt.Errorf("%s: %w", a.words().large, bridge.ErrTooLarge))
	}
	kind := kindOf(f.File)
	var got struct {
		ID string `json:"media_id"`
	}
	p := tencent.Part{Field: "media", Name: f.Name, Type: f.Type, Size: f.Size, Open: f.Open}
	if p.Name == "" {
		p.Name = "file"
	}
	if err := a.api.Upload(ctx, "/cgi-bin/media/upload", url.Values{"type": {kind}}, p, &got); err != nil {
		return part{}, err
	}
	if got.ID == "" {
		return part{}, errors.New("WeCom did not say what it calls the file")
	}
	return part{kind, map[string]any{"media_id": got.ID}}, nil
}

// kindOf is what a file is shown as; what is too large or of another format goes as a document.
func kindOf(f bridge.File) string {
	switch t, _, _ := strings.Cut(f.Type, ";"); {
	case (t == "image/jpeg" || t == "image/png") && f.Size <= maxImage:
		return "image"
	case t == "audio/amr" && f.Size <= maxVoice:
		return "voice"
	case t == "video/mp4" && f.Size <= maxVideo:
		return "video"
	default:
		return "file"
	}
}
