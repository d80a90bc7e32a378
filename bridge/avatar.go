package bridge

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// maxAvatar bounds a picture of a person, in bytes: WeChat's largest is 640 pixels square, about 100 KiB.
const maxAvatar = 1 << 20

// fetchAvatar is the delivery that fetches the picture of a customer who has none yet; nil when there is
// nothing to fetch.
func (v *visit) fetchAvatar(c *Contact) *Delivery {
	f := v.guest.avatar
	if f.Ref == "" || c.Avatar != "" || len(f.Ref) > maxTextBytes {
		return nil
	}
	return &Delivery{
		Lane: RoomLane(RoomRef{v.adapter, "avatar\x00" + RoomID(v.from.User)}), Kind: KindAvatar, To: ContactSide,
		Room: v.ref, User: v.from.User, Text: f.Ref, At: v.now, State: StatePending, Adapter: v.adapter,
	}
}

// avatar fetches a picture and gives it to the contact. It is a comfort: what cannot be had is left out.
func (j *job) avatar(ctx context.Context) result {
	d := &j.item.d
	fetcher, ok := j.adapter.(Fetcher)
	if !ok {
		return cancelled()
	}
	blob, err := j.b.keepAvatar(ctx, fetcher, d.Text)
	if err != nil {
		if r := j.judge(err, nil, 0); r.state == StatePending && j.lane.tries < 5 {
			return r
		}
		j.b.log.Debug("a customer's picture cannot be had", "adapter", j.dest, "err", err)
		return cancelled()
	}
	for range replans {
		c, err := j.b.store.ContactOf(ctx, UserRef{j.room.Adapter, d.User})
		if errors.Is(err, ErrNotFound) {
			return cancelled()
		}
		if err != nil {
			return pending(err)
		}
		c.Avatar = blob
		step := Step{At: j.set.Now(), Contacts: []Contact{c}}
		if links, err := j.b.store.LinksOf(ctx, c.ID); err == nil {
			for i := range links {
				if d := j.b.refresh(&links[i]); d != nil {
					step.Deliveries = append(step.Deliveries, *d)
				}
			}
		}
		_, err = j.b.commit(ctx, step)
		if err == nil {
			return result{state: StateSent}
		}
		if !errors.Is(err, ErrStale) {
			return pending(err)
		}
	}
	return pending(ErrStale)
}

// keepAvatar fetches a picture into the blobs; what is no picture is a permanent error.
func (b *Bridge) keepAvatar(ctx context.Context, from Fetcher, ref string) (string, error) {
	body, err := from.Fetch(ctx, File{Name: "avatar", Type: "image/jpeg", Ref: ref})
	if err != nil {
		return "", fmt.Errorf("fetch a picture: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(body, maxAvatar+1))
	if cerr := body.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return "", fmt.Errorf("fetch a picture: %w", err)
	}
	if len(data) > maxAvatar || avatarType(data) == "" {
		return "", Permanent(errors.New("fetch a picture: it is none, or too large"))
	}
	blob, _, err := b.blobs.Put(bytes.NewReader(data), maxAvatar)
	return blob, err
}

// avatarType is what kind of picture the data is, of those that browsers show without running anything; "" is none.
func avatarType(data []byte) string {
	t := http.DetectContentType(data)
	if slices.Contains([]string{"image/jpeg", "image/png", "image/gif", "image/webp"}, t) {
		return t
	}
	return ""
}

// avatarPath is where the gateway serves a picture: unguessable, since it is signed.
const avatarPath = "/avatar/"

func (b *Bridge) avatarURL(blob string) string {
	if blob == "" || b.set.Load().Company.URL == "" {
		return ""
	}
	return b.set.Load().Company.URL + avatarPath + blob + "." + b.avatarSign(blob)
}

func (b *Bridge) avatarSign(blob string) string {
	h := hmac.New(sha256.New, b.secret)
	_, _ = io.WriteString(h, "avatar\x00"+blob)
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil)[:10]))
}

// Avatar reads the picture at an address that a Label gave, by what follows /avatar/ in it, with its type.
// ErrNotFound: there is none.
func (b *Bridge) Avatar(name string) (data []byte, typ string, err error) {
	blob, sign, _ := strings.Cut(name, ".")
	if !hmac.Equal([]byte(b.avatarSign(blob)), []byte(sign)) {
		return nil, "", ErrNotFound
	}
	f, err := b.blobs.Open(blob)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = f.Close() }()
	data, err = io.ReadAll(io.LimitReader(f, maxAvatar))
	if err != nil {
		return nil, "", fmt.Errorf("read a picture: %w", err)
	}
	return data, avatarType(data), nil
}
