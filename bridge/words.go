package bridge

import "fmt"

// phrases are what the gateway itself says in chats, in one language.
type phrases struct {
	networks map[string]string
	names    map[string]string // of networks
	states   map[LinkState]string

	memberFull     string
	asking         string // to a member: a new customer asks; label, hello
	accept         string
	decline        string
	askInWords     string // how to answer without buttons
	requestSent    string // to the customer
	accepted       string // to the customer: member's label
	declined       string
	waitingForOne  string // to the customer: nobody yet
	newCustomer    string // to a member: label, source
	greetingSent   string // to a member: the greeting
	nowTalking     string // the addressee has changed: label
	whoMember      string // to the customer: label, verify address
	whoContact     string // to the member: label, since
	noParty        string
	chooseFrom     string // several match: names
	noSuchParty    string // name
	unbound        string
	notYours       string
	noCustomerHere string
	noteHint       string
	ended          string
	endedByOther   string // label
	stopped        string
	cardClosed     string
	unknownCommand string // command
	help           string // to a customer
	helpMember     string
	failed         string // excerpt, reason
	unknownFate    string // excerpt
	unknownWhy     string
	cannotRecall   string // excerpt
	corrected      string // text
	reacted        string // emoji, excerpt
	unreacted      string
	blocked        string // reason
	heldAsked      string
	heldWindow     string
	heldOpen       string
	heldNobody     string
	heldAdapter    string // adapter
	heldLogin      string // adapter
	noRoom         string
	tooOld         string
	fileTooLarge   string // name, limit
	fileRefused    string // name, type
	fileGone       string // name
	alreadyDone    string // state
	closedLink     string
	sendOld        string // excerpt
	sendNow        string
	sendAgain      string
	sendLater      string // when the other side writes again
	sendNote       string
	drop           string
	noteEmpty      string
	settledAlready string
	onTheWire      string
	windowOpen     string // network, until
	windowCount    string // network, left, of, until
	windowClosed   string // network
}

func phrasesOf(language string) *phrases {
	if language == "zh" {
		return &chinese
	}
	return &english
}

//nolint:gochecknoglobals // a table of constants; Go has no constant structs
var english = phrases{
	networks: map[string]string{
		"wechat": "WeChat contact", "wechatkf": "WeChat contact", "webchat": "web contact", "telegram": "Telegram contact",
		"whatsapp": "WhatsApp contact", "line": "LINE contact", "": "contact",
	},
	names: map[string]string{
		"wechat": "WeChat", "wechatkf": "WeChat", "webchat": "Web", "telegram": "Telegram", "whatsapp": "WhatsApp", "line": "LINE",
	},
	states: map[LinkState]string{
		LinkAsked: "waiting", LinkActive: "accepted", LinkEnded: "ended", LinkHandedOver: "handed over",
	},
	memberFull:     "This colleague cannot take new customers at the moment. Please try again later.",
	asking:         "%s would like to talk to you.",
	accept:         "Accept",
	decline:        "Decline",
	askInWords:     "Answer /accept or /decline.",
	requestSent:    "Your request was sent. You will be told when it is accepted.",
	accepted:       "%s has accepted. You can talk now.",
	declined:       "Your request was declined.",
	waitingForOne:  "Thank you. A colleague will take care of you; nothing you write is lost.",
	newCustomer:    "New customer: %s",
	greetingSent:   "Your greeting was sent: %s",
	nowTalking:     "Now talking to %s",
	whoMember:      "You are talking to %s\nVerify: %s",
	whoContact:     "%s, since %s",
	noParty:        "There is nobody here to talk to yet.",
	chooseFrom:     "Who is meant? Write /to and a name: %s",
	noSuchParty:    "Nobody here is called %q.",
	unbound:        "This was not sent: your account is not bound to a member. Ask your administrator to add it under members: in the config.",
	notYours:       "This was not sent: this customer belongs to a colleague.",
	noCustomerHere: "No customer is in this chat. Write /help to see what you can do.",
	noteHint:       "Internal note: the customer does not see this.",
	ended:          "This conversation has ended. Open the card again to start a new one.",
	endedByOther:   "%s has ended the conversation.",
	stopped:        "You have ended the conversation with %s.",
	cardClosed:     "This card is not valid any more. Ask for a new one.",
	unknownCommand: "Not sent: %s is not a command. For a text that begins with a slash, write two.",
	help:           "/to NAME chooses who is meant · /who says who this is · /contacts lists them · /stop ends the conversation",
	helpMember: "/to NAME chooses who is meant · /who says who this is · /contacts lists your customers · /accept, /decline answer a request · " +
		"/note TEXT keeps an internal note",
	failed:         "Not delivered: “%s” (%s)",
	unknownFate:    "It is not known whether this arrived: “%s”. Look before you send it again.",
	unknownWhy:     "it is not known whether it arrived; look before you send it again",
	cannotRecall:   "The other side's network cannot take back “%s”.",
	corrected:      "Correction: %s",
	reacted:        "%s to “%s”",
	unreacted:      "%s taken back from “%s”",
	blocked:        "Not sent: %s",
	heldAsked:      "waits for acceptance",
	heldWindow:     "waits until the customer writes again",
	heldOpen:       "waits for a room",
	heldNobody:     "waits for a colleague who takes the customer",
	heldAdapter:    "waits: %s is not connected",
	heldLogin:      "waits: %s must be signed in again",
	noRoom:         "the customer cannot be reached on any network",
	tooOld:         "it could not be delivered in time",
	fileTooLarge:   "%s is larger than %s",
	fileRefused:    "%s is of a type that is not allowed (%s)",
	fileGone:       "%s can no longer be fetched",
	alreadyDone:    "This was answered already: %s",
	closedLink:     "the conversation has ended",
	sendOld:        "This has waited for more than a day: “%s”. Shall it still be sent?",
	sendNow:        "Send",
	sendAgain:      "Send again",
	sendLater:      "Send when they write again",
	sendNote:       "Send to customer",
	drop:           "Do not send",
	noteEmpty:      "Write the note after /note.",
	settledAlready: "This was dealt with already.",
	onTheWire:      "It is being sent right now; look again in a moment.",
	windowOpen:     "%s · open until %s",
	windowCount:    "%s · %d of %d messages left · until %s",
	windowClosed:   "%s · closed until the customer writes again",
}

//nolint:gochecknoglobals // as english
var chinese = phrases{
	networks: map[string]string{
		"wechat": "微信联系人", "wechatkf": "微信联系人", "webchat": "网页联系人", "telegram": "Telegram 联系人",
		"whatsapp": "WhatsApp 联系人", "line": "LINE 联系人", "": "联系人",
	},
	names: map[string]string{
		"wechat": "微信", "wechatkf": "微信", "webchat": "网页", "telegram": "Telegram", "whatsapp": "WhatsApp", "line": "LINE",
	},
	states: map[LinkState]string{
		LinkAsked: "待接受", LinkActive: "已接受", LinkEnded: "已结束", LinkHandedOver: "已交接",
	},
	memberFull:     "该同事暂时无法接待新客户，请稍后再试。",
	asking:         "%s 请求与您联系。",
	accept:         "接受",
	decline:        "拒绝",
	askInWords:     "回复 /accept 接受，/decline 拒绝。",
	requestSent:    "请求已发送，对方接受后会通知您。",
	accepted:       "%s 已接受您的请求，现在可以开始聊天。",
	declined:       "对方未接受您的请求。",
	waitingForOne:  "您好，同事稍后会与您联系，您发来的内容不会丢失。",
	newCustomer:    "新客户：%s",
	greetingSent:   "已发送您的欢迎语：%s",
	nowTalking:     "当前联系人：%s",
	whoMember:      "您正在与 %s 对话\n核实身份：%s",
	whoContact:     "%s，添加于 %s",
	noParty:        "这里还没有可以对话的人。",
	chooseFrom:     "您要找哪一位？请输入 /to 加姓名：%s",
	noSuchParty:    "这里没有叫“%s”的人。",
	unbound:        "未发送：您的账号尚未绑定成员，请管理员在配置的 members: 中添加。",
	notYours:       "未发送：该客户由其他同事负责。",
	noCustomerHere: "这里没有客户。输入 /help 查看可用命令。",
	noteHint:       "内部备注，客户看不到。",
	ended:          "对话已结束。请重新打开名片发起新的对话。",
	endedByOther:   "%s 已结束对话。",
	stopped:        "您已结束与 %s 的对话。",
	cardClosed:     "该名片已失效，请向对方索取新的名片。",
	unknownCommand: "未发送：%s 不是命令。要发送以斜杠开头的文字，请输入两个斜杠。",
	help:           "/to 姓名：选择对话对象 · /who：查看对方身份 · /contacts：查看联系人 · /stop：结束对话",
	helpMember:     "/to 姓名：选择对话对象 · /who：查看对方身份 · /contacts：查看客户列表 · /accept、/decline：接受或拒绝请求 · /note 内容：内部备注",
	failed:         "未送达：“%s”（%s）",
	unknownFate:    "无法确认是否送达：“%s”。重新发送前请先核实。",
	unknownWhy:     "无法确认是否送达，重新发送前请先核实",
	cannotRecall:   "对方的网络不支持撤回“%s”。",
	corrected:      "更正：%s",
	reacted:        "%s 回应了“%s”",
	unreacted:      "%s 已取消对“%s”的回应",
	blocked:        "未发送：%s",
	heldAsked:      "等待对方接受",
	heldWindow:     "等待客户再次发来消息",
	heldOpen:       "等待建立会话",
	heldNobody:     "等待同事接待",
	heldAdapter:    "等待：%s 未连接",
	heldLogin:      "等待：%s 需要重新登录",
	noRoom:         "没有可以联系到该客户的网络",
	tooOld:         "未能及时送达",
	fileTooLarge:   "%s 超过 %s",
	fileRefused:    "%s 的类型不被允许（%s）",
	fileGone:       "%s 已无法获取",
	alreadyDone:    "该请求已处理：%s",
	closedLink:     "对话已结束",
	sendOld:        "这条消息已等待超过一天：“%s”，还要发送吗？",
	sendNow:        "发送",
	sendAgain:      "重新发送",
	sendLater:      "等对方再次发言时发送",
	sendNote:       "发送给客户",
	drop:           "不发送",
	noteEmpty:      "请在 /note 后输入备注内容。",
	settledAlready: "该消息已处理。",
	onTheWire:      "正在发送，请稍后再看。",
	windowOpen:     "%s · 可发送至 %s",
	windowCount:    "%s · 还可发 %d/%d 条 · 至 %s",
	windowClosed:   "%s · 已关闭，等待客户再次发来消息",
}

// network names a kind of network and what a contact is to it.
func (p *phrases) network(kind string) string {
	if n, ok := p.networks[kind]; ok {
		return n
	}
	return p.networks[""]
}

// networkName is what a kind of network is called.
func (p *phrases) networkName(kind string) string {
	if n, ok := p.names[kind]; ok {
		return n
	}
	return kind
}

// size prints bytes for people.
func size(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
