package tencent

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/hutong-im/hutong/bridge"
)

// Error is an answer whose errcode is not 0.
type Error struct {
	Code int
	Msg  string // errmsg, shortened; may name the caller's IP address, which an administrator needs
	Path string // of the call
	// Words say what it means and what to do, in the company's language.
	Words string
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%s: errcode %d", e.Path, e.Code)
	if e.Msg != "" {
		text += " " + e.Msg
	}
	if e.Words == "" {
		return text
	}
	return e.Words + " (" + text + ")"
}

// tokenRefused reports whether a new access token may help: 40001 not the latest, 40014 malformed, 42001
// expired. https://developers.weixin.qq.com/doc/oplatform/developers/errCode/errCode.html
func (e *Error) tokenRefused() bool { return e.Code == 40001 || e.Code == 40014 || e.Code == 42001 }

// Code is what an errcode says about the message, and to people.
type Code struct {
	Verdict bridge.Verdict
	Wait    time.Duration // with VerdictWait; for the whole account, as these networks limit senders
	En, Zh  string
}

// Codes is a table of errcodes; the same number may mean something else on the other network.
type Codes map[int]Code

// unlisted is a code that no table has: the network refused the call, and would again.
func unlisted() Code {
	return Code{
		Verdict: bridge.VerdictPermanent,
		En:      "the network refused it for a reason that this version does not know; look the errcode up in its documents",
		Zh:      "平台拒绝了此请求，原因未知；请在官方文档中查询该错误码",
	}
}

// Of is what a code means.
func (t Codes) Of(code int) Code {
	if c, ok := t[code]; ok {
		return c
	}
	return unlisted()
}

// judge gives an error its words and its verdict.
func (t Codes) judge(e *Error, language string) error {
	c := t.Of(e.Code)
	e.Words = c.En
	if language == "zh" {
		e.Words = c.Zh
	}
	switch c.Verdict {
	case bridge.VerdictWait:
		return bridge.RetryAccountAfter(e, c.Wait)
	case bridge.VerdictPermanent:
		return bridge.Permanent(e)
	case bridge.VerdictUnsure:
		return bridge.Unsure(e)
	case bridge.VerdictClosed:
		return bridge.WindowClosed(e, time.Time{})
	case bridge.VerdictLogin:
		return bridge.Login(e)
	default:
		return e
	}
}

// maxMsg is how much of an errmsg is kept, in characters.
const maxMsg = 120

// noise is what Tencent puts into errmsg for its own support: rid, hint, and where to read on.
var noise = regexp.MustCompile(`(?i)[\s,;]*(\bhint\s*:\s*\[[^\]]*\]?|\brid\s*:\s*[\w-]+|\bmore info at\s+\S+)`)

// tidy shortens an errmsg to what helps.
func tidy(msg string) string {
	msg = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(msg, ""))
	msg = strings.Join(strings.Fields(noise.ReplaceAllString(msg, "")), " ")
	if runes := []rune(msg); len(runes) > maxMsg {
		return string(runes[:maxMsg]) + "…"
	}
	return msg
}

func retry(en, zh string) Code { return Code{Verdict: bridge.VerdictRetry, En: en, Zh: zh} }

func wait(d time.Duration, en, zh string) Code {
	return Code{Verdict: bridge.VerdictWait, Wait: d, En: en, Zh: zh}
}

func permanent(en, zh string) Code { return Code{Verdict: bridge.VerdictPermanent, En: en, Zh: zh} }

func closed(en, zh string) Code { return Code{Verdict: bridge.VerdictClosed, En: en, Zh: zh} }

func login(en, zh string) Code { return Code{Verdict: bridge.VerdictLogin, En: en, Zh: zh} }

// sharedCodes mean the same on both networks.
// https://developers.weixin.qq.com/doc/oplatform/developers/errCode/errCode.html and
// https://developer.work.weixin.qq.com/document/path/90313
func sharedCodes() Codes {
	return Codes{
		-1:    retry("the network is busy; it will be tried again", "平台繁忙，稍后自动重试"),
		40007: retry("the uploaded file is no longer there; it will be uploaded again", "已上传的文件已失效，将重新上传"),
		40014: login("the access token is not taken, even a new one; check the secret in the config", "access_token 无效，重新获取后仍被拒绝；请检查配置中的 Secret"),
		41001: login("the access token is missing; check the secret in the config", "缺少 access_token；请检查配置中的 Secret"),
		42001: login("the access token has expired, and a new one as well; check this computer's clock and the secret in the config", "access_token 已过期，重新获取后仍被拒绝；请检查本机时间和配置中的 Secret"),
		44004: permanent("the message has no text; write something", "消息内容为空；请输入文字后再发送"),
		45001: permanent("the file is too large for this network; send a smaller one or a link", "文件过大；请压缩后发送，或改发链接"),
		45002: permanent("the text is too long for this network; send it in several messages", "消息过长；请分成几条发送"),
	}
}
