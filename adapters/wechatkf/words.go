package wechatkf

// phrases are what people read, in one language. Those with %s take what they speak of.
type phrases struct {
	kinds                           map[string]string // what is shown of a message that is no text
	place                           string
	small, large                    string
	human, pool, somebody           string
	fails                           map[int]string // why the network gave a message back
	failed                          string         // for a reason that is not in the list
	menu                            string
	noVoice                         string
	unreached                       string
	seats, refuses, unmanaged       string
	gone, noAccount, unknownAccount string
}

func (a *adapter) words() *phrases {
	if a.language() == "zh" {
		return chinese()
	}
	return english()
}

func english() *phrases {
	return &phrases{
		kinds: map[string]string{
			"image": "picture", "voice": "voice", "video": "video", "file": "file", "location": "place", "link": "link",
			"business_card": "business card", "miniprogram": "mini program", "msgmenu": "menu", "channels": "Channels",
			"channels_shop_product": "product", "channels_shop_order": "order", "merged_msg": "chat history",
			"meeting": "meeting", "schedule": "schedule", "note": "note", "": "a message that only WeChat can show",
		},
		place: "place",
		small: "the file has fewer than 6 bytes, which WeCom does not take; send it as text",
		large: "the file has more than 20 MB, which WeCom does not take; send a link",
		human: "%s serves this customer in WeCom (人工接待), so that nothing can be sent from here; let them answer, or end the session there and wait until the customer writes",
		pool:  "the customer waits in WeCom's queue (待接入池), so that nothing can be sent from here; take the session in WeCom, or end it there and wait until the customer writes",
		fails: map[int]string{
			1: "the customer service account was deleted", 2: "the app was closed; enable it in WeCom", 4: "the customer has not written for 48 hours",
			5: "the session is closed", 6: "more than 5 messages since the customer last wrote", 7: "no WeChat Channels account is bound; bind one in the console",
			8: "the company is not verified; verify it in the console", 9: "no WeChat Channels account is bound, and the company is not verified",
			10: "the customer does not take messages", 11: "no employee has ever signed in to WeCom; sign in once", 12: "this type of message may not be sent to a customer from WeChat Channels; send text",
			13: "WeChat held it back for security reasons; write it in other words",
		},
		failed: "WeChat did not deliver it and gives no reason; send it again", menu: "Choose:", somebody: "a colleague",
		noVoice:   "ffmpeg is not there: voice messages are passed on as AMR files, which most programs cannot play; install ffmpeg",
		unreached: "messages are found by asking, but no callback comes: compare the URL under 接收消息 → 设置API接收 of the app with this gateway's address",
		seats:     "%d sessions are served by people in WeCom, so that nothing can be sent to these customers from here; set the account's reception (接待方式) to API, or end the sessions",
		refuses:   "%d customers are refused (拒收) by a servicer in WeCom",
		unmanaged: "customer service account %s is not managed through the API: choose it in the console under 微信客服 → API → 可调用接口的应用 → 通过API管理",
		gone:      "customer service account %s does not exist any more or is not this app's; correct accounts in the config",
		noAccount: "the app manages no customer service account: in the console open 微信客服 → API → 可调用接口的应用, choose this app, and under 通过API管理微信客服帐号 choose the accounts",

		unknownAccount: "there is no customer service account %s among those that the app may read; correct accounts in the config",
	}
}

func chinese() *phrases {
	return &phrases{
		kinds: map[string]string{
			"image": "图片", "voice": "语音", "video": "视频", "file": "文件", "location": "位置", "link": "链接",
			"business_card": "名片", "miniprogram": "小程序", "msgmenu": "菜单", "channels": "视频号",
			"channels_shop_product": "商品", "channels_shop_order": "订单", "merged_msg": "聊天记录",
			"meeting": "会议", "schedule": "日程", "note": "笔记", "": "只能在微信中查看的消息",
		},
		place: "位置",
		small: "文件不足 6 字节，企业微信不接收；请改发文字",
		large: "文件超过 20 MB，企业微信不接收；请改发链接",
		human: "该客户正由%s在企业微信中人工接待，这里无法发送；请由其直接回复，或在企业微信中结束会话并等待客户再次发消息",
		pool:  "该客户正在企业微信待接入池中排队，这里无法发送；请在企业微信中接入，或结束会话并等待客户再次发消息",
		fails: map[int]string{
			1: "客服帐号已删除", 2: "应用已关闭；请在企业微信中启用", 4: "客户超过 48 小时未发消息",
			5: "会话已关闭", 6: "客户上次发言后已超过 5 条", 7: "未绑定视频号；请在后台绑定",
			8: "企业主体未认证；请在后台认证", 9: "未绑定视频号且企业主体未认证",
			10: "客户拒收消息", 11: "企业没有成员登录过企业微信；请登录一次", 12: "该消息类型不能发给来自视频号的客户；请改发文字",
			13: "因安全限制未送达；请修改内容后再发",
		},
		failed: "微信未送达且未说明原因；请重新发送", menu: "请选择：", somebody: "同事",
		noVoice:   "未安装 ffmpeg：语音将以 AMR 文件转发，多数软件无法播放；请安装 ffmpeg",
		unreached: "消息只能靠轮询取得，收不到回调：请核对应用「接收消息 → 设置API接收」中的 URL 是否为本网关地址",
		seats:     "有 %d 个会话正由企业微信中的人员接待，这里无法向这些客户发送；请将客服帐号的接待方式设为由 API 接待，或结束这些会话",
		refuses:   "有 %d 位客户被企业微信中的接待人员设为拒收",
		unmanaged: "客服帐号 %s 未交由 API 管理：请在后台「微信客服 → API → 可调用接口的应用 → 通过API管理」中勾选",
		gone:      "客服帐号 %s 已不存在或不属于本应用；请更正配置中的 accounts",
		noAccount: "本应用没有可管理的客服帐号：请在后台打开「微信客服 → API → 可调用接口的应用」，勾选本应用，并在「通过API管理微信客服帐号」中勾选帐号",

		unknownAccount: "应用可见的客服帐号中没有 %s；请更正配置中的 accounts",
	}
}
