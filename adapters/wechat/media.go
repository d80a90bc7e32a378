package wechat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"io"
	"mime"
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

// Limits of temporary media, in bytes.
// https://developers.weixin.qq.com/doc/service/api/material/temporary/api_uploadtempmedia.html
const (
	maxImage = 10 << 20
	maxVoice = 2 << 20
	maxVideo = 10 << 20
)

// What a reference begins with; then follows the media_id.
const (
	refImage = "image/"
	refVoice = "voice/"
	refSpeex = "speex/"
	refVideo = "video/"
)

// form is how WeChat shows a type of file: kind "" is not at all. The ending is what WeChat looks at.
type form struct {
	kind, ending string
	limit        int64
}

func formOf(typ string) form {
	base, _, _ := mime.ParseMediaType(typ)
	return map[string]form{
		"image/jpeg": {"image", ".jpg", maxImage}, "image/png": {"image", ".png", maxImage},
		"image/gif": {"image", ".gif", maxImage}, "image/bmp": {"image", ".bmp", maxImage},
		"audio/amr": {"voice", ".amr", maxVoice}, "audio/mpeg": {"voice", ".mp3", maxVoice}, "audio/mp3": {"voice", ".mp3", maxVoice},
		"video/mp4": {"video", ".mp4", maxVideo},
	}[base]
}

// attach makes a message of a file: as WeChat shows it, else as a link to it, else not at all.
func (a *adapter) attach(ctx context.Context, to bridge.RoomID, f bridge.Attachment) (*message, error) {
	as := formOf(f.Type)
	if as.kind != "" && f.Size <= as.limit {
		id, err := a.upload(ctx, as.kind, tencent.Part{Field: "media", Name: "file" + as.ending, Type: f.Type, Size: f.Size, Open: f.Open})
		if e, refused := errors.AsType[*tencent.Error](err); refused && unfit(e.Code) {
			return a.link(ctx, to, f) // too long a voice, or not what its type says
		}
		if err != nil {
			return nil, err
		}
		switch as.kind {
		case "image":
			return &message{To: to, Type: "image", Image: &media{id}}, nil
		case "voice":
			return &message{To: to, Type: "voice", Voice: &media{id}}, nil
		}
		thumb, err := a.thumb(ctx)
		if err != nil {
			return nil, err
		}
		return &message{To: to, Type: "video", Video: &video{ID: id, Thumb: thumb, Title: f.Name}}, nil
	}
	return a.link(ctx, to, f)
}

// unfit are refusals of the file itself: its type, size or length.
func unfit(code int) bool {
	switch code {
	case 40004, 40005, 40006, 40009, 40010, 40011, 45001, 45006, 45007:
		return true
	}
	return false
}

// upload brings a file to WeChat for three days.
func (a *adapter) upload(ctx context.Context, kind string, p tencent.Part) (string, error) {
	var out struct {
		ID    string `json:"media_id"`
		Thumb string `json:"thumb_media_id"` // of kind thumb
	}
	if err := a.client.Upload(ctx, "/cgi-bin/media/upload", url.Values{"type": {kind}}, p, &out); err != nil {
		return "", err
	}
	if kind == "thumb" && out.Thumb != "" {
		out.ID = out.Thumb
	}
	if out.ID == "" {
		return "", errors.New("media/upload: the answer has no media_id")
	}
	return out.ID, nil
}

// thumb is the still picture that a video message must have: a plain dark one, a JPG of less than 64 KB.
func (a *adapter) thumb(ctx context.Context) (string, error) {
	still := image.NewRGBA(image.Rect(0, 0, 320, 180))
	draw.Draw(still, still.Bounds(), image.NewUniform(color.Gray{Y: 0x30}), image.Point{}, draw.Src)
	var b bytes.Buffer
	if err := jpeg.Encode(&b, still, nil); err != nil {
		return "", fmt.Errorf("make a still picture: %w", err)
	}
	return a.upload(ctx, "thumb", tencent.Part{
		Field: "media", Name: "still.jpg", Type: "image/jpeg", Size: int64(b.Len()),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil },
	})
}

// Fetch reads what a customer sent. WeChat keeps it for three days.
func (a *adapter) Fetch(ctx context.Context, f bridge.File) (io.ReadCloser, error) {
	kind, id, ok := strings.Cut(f.Ref, "/")
	if !ok || id == "" {
		return nil, bridge.Permanent(errors.New("fetch: not a file of WeChat"))
	}
	path := "/cgi-bin/media/get"
	if kind+"/" == refSpeex {
		path += "/jssdk"
	}
	d, err := a.client.Download(ctx, path, url.Values{"media_id": {id}})
	if e, refused := errors.AsType[*tencent.Error](err); refused && e.Code == 40007 {
		return nil, bridge.Permanent(errors.New(a.words().mediaGone))
	}
	if err != nil {
		return nil, err
	}
	switch kind + "/" {
	case refVideo:
		if d.Name == "" && (d.Type == "application/json" || d.Type == "text/plain") {
			return a.fetchVideo(ctx, d.Body)
		}
	case refVoice, refSpeex:
		if a.ffmpeg != "" {
			return a.playable(ctx, d.Body)
		}
	}
	return d.Body, nil
}

// fetchVideo follows the address that stands in place of a video.
func (a *adapter) fetchVideo(ctx context.Context, body io.ReadCloser) (io.ReadCloser, error) {
	const enough = 64 << 10
	raw, err := io.ReadAll(io.LimitReader(body, enough))
	_ = body.Close()
	if err != nil {
		return nil, errors.New("media/get: the answer broke off")
	}
	var at struct {
		URL string `json:"video_url"`
	}
	if err := json.Unmarshal(raw, &at); err != nil || !webAddress(at.URL) {
		return nil, bridge.Permanent(errors.New("media/get: the answer has no video_url"))
	}
	req, err := httpx.Request(ctx, http.MethodGet, at.URL, nil)
	if err != nil {
		return nil, bridge.Permanent(errors.New("media/get: the video_url is no address"))
	}
	resp, err := a.videos.Do(req)
	if err != nil {
		if u, is := errors.AsType[*url.Error](err); is {
			err = u.Err // the outer one quotes the address, which is a key
		}
		return nil, fmt.Errorf("fetch the video from %s: %w", req.URL.Host, err)
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, httpx.Verdict(req.URL.Host, resp.StatusCode, resp.Header, a.env.Now())
	}
	return resp.Body, nil
}

// Limits of making a voice playable: WeChat's voices have at most 60 seconds, the answer of 64 kbit/s then 480 KB.
const (
	playWithin = 20 * time.Second
	maxPlay    = 4 << 20
)

// playable turns a voice into MP3. What cannot be turned is passed on as it is: better a file that some
// players open than none.
func (a *adapter) playable(ctx context.Context, body io.ReadCloser) (io.ReadCloser, error) {
	raw, err := io.ReadAll(io.LimitReader(body, maxPlay+1))
	_ = body.Close()
	if err != nil {
		return nil, errors.New("media/get: the voice broke off")
	}
	if len(raw) > maxPlay {
		return nil, bridge.Permanent(fmt.Errorf("media/get: a voice of more than %d bytes: %w", maxPlay, bridge.ErrTooLarge))
	}
	out, err := a.convert(ctx, raw)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		a.env.Log.WarnContext(ctx, "a voice message could not be made playable", "err", err)
		out = raw
	}
	return io.NopCloser(bytes.NewReader(out)), nil
}

// convert runs ffmpeg. What goes in is a stranger's: it may be of few formats, may name no files and no
// addresses, and the program gets nothing of this process's environment.
func (a *adapter) convert(ctx context.Context, raw []byte) ([]byte, error) {
	select {
	case a.playing <- struct{}{}:
		defer func() { <-a.playing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, playWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, a.ffmpeg, //nolint:gosec // found on PATH; nothing of the arguments is a stranger's
		"-hide_banner", "-loglevel", "error", "-protocol_whitelist", "pipe", "-format_whitelist", "amr,amrnb,amrwb,ogg,wav",
		"-i", "pipe:0", "-vn", "-ac", "1", "-b:a", "64k", "-write_xing", "0", "-f", "mp3", "pipe:1")
	out := &limited{max: maxPlay, stop: cancel}
	cmd.Stdin, cmd.Stdout = bytes.NewReader(raw), out
	cmd.Env, cmd.Dir = []string{"PATH=" + os.Getenv("PATH")}, os.TempDir()
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("ffmpeg: %w", err)
	}
	if out.b.Len() == 0 {
		return nil, errors.New("ffmpeg: nothing came out")
	}
	return out.b.Bytes(), nil
}

// limited is a buffer that refuses too much, and stops who writes it.
type limited struct {
	b    bytes.Buffer // not embedded: its ReadFrom knows no limit
	max  int
	stop func()
}

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if l.b.Len()+len(p) > l.max {
		l.stop()
		return 0, bridge.ErrTooLarge
	}
	return l.b.Write(p)
}
