package wechat

import (
	"errors"
	"maps"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/tencent"
)

// phrases are what people read; %s is filled in.
type phrases struct {
	askName     string
	human       string
	heard       string // what WeChat understood of a voice
	tapOne      string
	tapFile     string // size
	noFile      string // name
	mediaGone   string
	linkOver    string
	linkLater   string
	allowIP     string // address
	setCallback string // address
}

func phrasesOf(language string) *phrases {
	if language == "zh" {
		return &phrases{
			askName:     "您好！请问怎么称呼您？请回复“我叫……”，例如“我叫王小明”。不方便也没关系，直接留言即可。",
			human:       "我想联系人工客服",
			heard:       "〔语音识别〕%s",
			tapOne:      "请点选",
			tapFile:     "点击下载（%s），30 天内有效",
			noFile:      "微信公众号只能发送图片、语音和视频，文件“%s”未发送，这条消息的文字也未发送；请改发图片或链接，或请管理员把 gateway.url 设为客户可访问的地址",
			mediaGone:   "文件已过期：微信只保存三天",
			linkOver:    "链接已失效",
			linkLater:   "暂时无法打开，请稍后再试",
			allowIP:     "本机 IP %s 未在白名单中；请在「设置与开发 → 基本配置 → IP 白名单」中添加",
			setCallback: "公众号尚未设置服务器地址；请在「设置与开发 → 基本配置 → 服务器配置」中填写 %s 并启用",
		}
	}
	return &phrases{
		askName:     "Hello! What may we call you? Please answer “My name is …”, for example “My name is Wang Xiaoming”. Or simply go on writing.",
		human:       "I would like to talk to a person",
		heard:       "(WeChat understood) %s",
		tapOne:      "Please tap one",
		tapFile:     "Tap to download (%s), for 30 days",
		noFile:      "WeChat shows pictures, voices and videos only: the file “%s” was not sent, nor was the text of this message; send a picture or a link, or let gateway.url be an address that customers can open",
		mediaGone:   "the file has expired: WeChat keeps it for three days",
		linkOver:    "This link is not good any more.",
		linkLater:   "This cannot be opened right now. Please try again later.",
		allowIP:     "this computer's address %s is not allowed; add it to IP 白名单 under 设置与开发 → 基本配置",
		setCallback: "WeChat does not know where to push; enter %s under 设置与开发 → 基本配置 → 服务器配置 and enable it",
	}
}

// codes are the errcodes that the calls of this adapter can meet beside those that all accounts share.
// https://developers.weixin.qq.com/doc/oplatform/developers/errCode/errCode.html
func codes() tencent.Codes {
	t := tencent.OfficialAccountCodes()
	permanent := func(en, zh string) tencent.Code {
		return tencent.Code{Verdict: bridge.VerdictPermanent, En: en, Zh: zh}
	}
	unfit := permanent("WeChat does not take this file; send it in another format, or as a link", "微信不接受此文件；请换一种格式，或改发链接")
	menu := permanent("WeChat does not take the menu; correct it in the config", "微信不接受此菜单；请在配置中更正")
	notice := permanent("the template of the notice is not the account's; copy its id from the console into the config", "通知模板不属于此公众号；请从后台复制模板 ID 到配置中")
	agent := permanent("this agent is not known in 客服功能; correct kf_accounts in the config", "客服账号不存在；请在配置中更正 kf_accounts")
	more := tencent.Codes{
		40008: permanent("WeChat does not know this kind of message", "微信不支持此消息类型"),
		40036: notice, 40037: notice,
		43116: permanent("this template cannot be used; choose another one in the console", "该模板不可用；请在后台另选模板"),
		45007: permanent("the voice is longer than 60 seconds; send it as a file or a link", "语音超过 60 秒；请改发文件或链接"),
		45008: permanent("WeChat shows one article at a time", "一次只能发送一篇图文"),
		45029: permanent("the account has its 100,000 QR codes; choose qr: temporary in the config", "永久二维码已达 10 万个上限；请在配置中改用 qr: temporary"),
		45048: {Verdict: bridge.VerdictClosed, En: t[45047].En, Zh: t[45047].Zh},
		46004: permanent("WeChat does not know this customer", "微信不认识该用户"),
		47001: permanent("WeChat could not read the call; please report this", "微信无法解析请求；请反馈此问题"),
		50002: permanent("the customer's account is restricted by WeChat", "该用户的微信账号受限"),
		61451: agent, 61452: agent,
	}
	for _, code := range []int{40004, 40005, 40006, 40009, 40010, 40011, 40012, 45006} {
		more[code] = unfit
	}
	for _, code := range []int{40015, 40016, 40017, 40018, 40019, 40020, 40023, 40024, 40025, 40026, 40027, 40054, 40055, 45010} {
		more[code] = menu
	}
	maps.Copy(t, more)
	return t
}

// meant is what an errcode would say, for what need not be tried.
func (a *adapter) meant(code int) error {
	c := codes().Of(code)
	if a.language() == "zh" {
		return errors.New(c.Zh)
	}
	return errors.New(c.En)
}
