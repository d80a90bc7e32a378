package wecom

// words are what the adapter itself says.
type words struct {
	empty, fileSize, tooLate, unlicensed, invisible, unknownKind, lostQuote string
	submit, turn, stale, settled, choose, current, others                   string
	neverCalled, noCallback, closed, elsewhere, notActivated, inactive      string
	unknownUser, renamed, open, onMap                                       string
}

func (a *adapter) words() words {
	if a.language() == "zh" {
		return words{
			empty: "消息内容为空", fileSize: "文件 %s 不能发送：企业微信只接受大于 5 字节、不超过 20 MB 的文件",
			tooLate:     "企业微信不能撤回这条消息；应用消息只能在 24 小时内撤回",
			unlicensed:  "成员 %s 没有企业微信接口许可；请在管理后台「应用管理 → 接口许可」中购买或分配",
			invisible:   "成员 %s 不在应用的可见范围内，或已离职；请在应用设置中扩大「可见范围」，或移交其客户",
			unknownKind: "这类消息无法转给客户，请改发文字、图片、语音、视频或链接。",
			lostQuote:   "未发送：找不到您引用的消息，无法判断要发给哪位客户。请先选择客户，再重新发送。",
			submit:      "提交", turn: "切换", stale: "已失效", settled: "已处理", choose: "切换到：", current: "当前联系人：%s", others: "（其他客户请输入 /to 姓名；同名客户请先用 /remark 备注）",
			neverCalled:  "企业微信尚未推送任何消息：请在「应用管理 → 应用 → 接收消息 → 设置API接收」中填写 %s，然后给应用发一条消息",
			noCallback:   "应用没有设置回调地址，卡片按钮无法使用：请在「应用管理 → 应用 → 接收消息 → 设置API接收」中填写 %s",
			closed:       "应用已停用，请在管理后台「应用管理」中启用",
			elsewhere:    "应用的菜单未能更新：%v",
			notActivated: "成员 %s 尚未激活企业微信，看不到消息", inactive: "成员 %s 已被禁用或已离职",
			unknownUser: "成员 %s 不是 userid，也没有使用该手机号或邮箱的成员，或应用没有权限查询；请在配置的 members: 中填写 userid",
			renamed:     "成员 %s 的 userid 已改为 %s；请在配置的 members: 中更正",
			open:        "打开", onMap: "地图",
		}
	}
	return words{
		empty: "the message is empty", fileSize: "%s was not sent: WeCom takes files of more than 5 bytes and at most 20 MB",
		tooLate:     "WeCom cannot take this message back; an app may do so for 24 hours only",
		unlicensed:  "member %s has no licence for WeCom's API; buy or assign one under 应用管理 → 接口许可 of the console",
		invisible:   "member %s is outside the app's visible range or has left; widen 可见范围 in the app's settings, or hand the customers over",
		unknownKind: "This kind of message cannot be passed on. Send text, a picture, a voice, a video or a link.",
		lostQuote: "Not sent: the message that you quoted was not found, so that it is not known which customer is meant. " +
			"Choose the customer first, then send again.",
		submit: "Submit", turn: "Switch", stale: "No longer valid", settled: "Already answered", choose: "Switch to:", current: "Now talking to %s",
		others:       " (others: /to NAME; for two of one name set a /remark first)",
		neverCalled:  "WeCom has not pushed anything yet: enter %s under 应用管理 → the app → 接收消息 → 设置API接收, then send the app a message",
		noCallback:   "the app has no callback address, so that buttons do not work: enter %s under 应用管理 → the app → 接收消息 → 设置API接收",
		closed:       "the app is switched off; switch it on under 应用管理 of the console",
		elsewhere:    "the app's menu was not brought up to date: %v",
		notActivated: "member %s has not activated WeCom yet and sees no messages", inactive: "member %s is disabled or has left",
		unknownUser: "%s is no userid, and no member has it as mobile number or e-mail address, or the app may not ask; write the userid under members: in the config",
		renamed:     "the userid of %s is %s now; correct it under members: in the config",
		open:        "Open", onMap: "Map",
	}
}

// usualMenu is what the app's menu offers. The text after the slash is a command of the core or of an app.
func (a *adapter) usualMenu() []Button {
	if a.language() == "zh" {
		return []Button{
			{Name: "当前联系人", Say: "/who"},
			{Name: "切换", Say: choose},
			{Name: "更多", Buttons: []SubButton{
				{Name: "我的客户", Say: "/contacts"}, {Name: "名片", Say: "/card"}, {Name: "帮助", Say: "/help"},
			}},
		}
	}
	return []Button{
		{Name: "Who is this?", Say: "/who"},
		{Name: "Switch", Say: choose},
		{Name: "More", Buttons: []SubButton{
			{Name: "My contacts", Say: "/contacts"}, {Name: "My card", Say: "/card"}, {Name: "Help", Say: "/help"},
		}},
	}
}
