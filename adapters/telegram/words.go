package telegram

// words are what people read: in chats, and as the reason why something did not arrive.
type words struct {
	blocked, deactivated, notStarted, gone, group, noReaction, tooOldDelete, tooOldEdit string

	longCaption string // limit
	longText    string // limit
	tooLarge    string // name, size in MB, limit in MB
	tooLargeYou string // to the sender: name, limit in MB
	forwarded   string // from
	unsupported string
	local       string
	leaving     string // bot's name
	answered    string
	notYours    string
	mapLink     string // latitude, longitude, both twice

	commands []command
}

type command struct {
	Command     string `json:"command"`
	Description string `json:"description"`
}

func wordsOf(language string) *words {
	if language == "zh" {
		return &chinese
	}
	return &english
}

//nolint:gochecknoglobals // a table of constants; Go has no constant structs
var english = words{
	blocked:      "the customer has blocked the bot on Telegram",
	deactivated:  "the customer's Telegram account no longer exists",
	notStarted:   "the customer has not started the bot yet; Telegram lets a bot write only to people who have written to it",
	gone:         "Telegram does not know this chat",
	group:        "only private chats are bridged, not groups",
	noReaction:   "Telegram has no reaction %s",
	tooOldDelete: "Telegram lets a bot delete messages of the last 48 hours only",
	tooOldEdit:   "Telegram does not let this message be changed any more",
	longCaption:  "beside a file Telegram takes %d characters of text",
	longText:     "Telegram takes %d characters in one message",
	tooLarge:     "(%s, %d MB, stays on Telegram: bots may fetch %d MB)",
	tooLargeYou:  "%s was not passed on: it is larger than the %d MB that Telegram lets a bot fetch. Please send it in parts, or as a link.",
	forwarded:    "Forwarded from %s:",
	unsupported:  "(a message of a kind that cannot be shown here)",
	local:        "the Bot API server runs with --local and keeps its files to itself; run it without",
	leaving:      "I talk in private chats only: t.me/%s",
	answered:     "This was answered already.",
	notYours:     "You were not the one who was asked.",
	mapLink:      "https://www.openstreetmap.org/?mlat=%[1]s&mlon=%[2]s#map=16/%[1]s/%[2]s",
	commands: []command{
		{"contacts", "whom you can talk to here"},
		{"to", "choose who is meant: /to NAME"},
		{"who", "who is at the other end, and a proof"},
		{"stop", "end the conversation"},
		{"help", "what you can do here"},
	},
}

//nolint:gochecknoglobals // as english
var chinese = words{
	blocked:      "客户已在 Telegram 停用（屏蔽）该机器人",
	deactivated:  "客户的 Telegram 账号已注销",
	notStarted:   "客户尚未启动该机器人；Telegram 只允许机器人给写过消息的人发消息",
	gone:         "Telegram 找不到该会话",
	group:        "只支持私聊，不支持群组",
	noReaction:   "Telegram 不支持用 %s 回应",
	tooOldDelete: "Telegram 只允许机器人撤回 48 小时以内的消息",
	tooOldEdit:   "Telegram 已不允许修改这条消息",
	longCaption:  "带文件的消息，Telegram 最多允许 %d 个字",
	longText:     "Telegram 单条消息最多 %d 个字",
	tooLarge:     "（%s，%d MB，未能转来：Telegram 只允许机器人取 %d MB 以内的文件）",
	tooLargeYou:  "%s 未能转达：超过 Telegram 允许机器人获取的 %d MB，请分卷发送，或改发链接。",
	forwarded:    "转发自 %s：",
	unsupported:  "（一条此处无法显示的消息）",
	local:        "Bot API 服务器以 --local 方式运行，文件不对外提供；请去掉该参数",
	leaving:      "我只在私聊中提供服务：t.me/%s",
	answered:     "该请求已处理。",
	notYours:     "这不是发给您的请求。",
	mapLink:      "https://uri.amap.com/marker?position=%[2]s,%[1]s&coordinate=wgs84",
	commands: []command{
		{"contacts", "这里可以联系谁"},
		{"to", "选择对话对象：/to 姓名"},
		{"who", "查看对方身份并核实"},
		{"stop", "结束对话"},
		{"help", "查看可用命令"},
	},
}

// reactions are those that Telegram has (https://core.telegram.org/bots/api#reactiontypeemoji), without the sign that
// asks for the coloured form.
const reactions = " ❤ 👍 👎 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡 "
