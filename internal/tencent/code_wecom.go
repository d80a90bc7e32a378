package tencent

import (
	"maps"
	"time"
)

// WeComCodes are the errcodes of WeCom's self-built apps and of its customer service. The table is the
// caller's own. https://developer.work.weixin.qq.com/document/path/90313
func WeComCodes() Codes {
	t := sharedCodes()
	maps.Copy(t, appCodes())
	maps.Copy(t, chatCodes())
	maps.Copy(t, serviceCodes())
	return t
}

func appCodes() Codes {
	return Codes{
		40001:  login("the app's secret is wrong; copy it from 应用管理 into the config", "应用 Secret 错误；请从「应用管理」复制到配置中"),
		40003:  permanent("this member is unknown to WeCom; correct the userid", "企业微信中没有该成员；请更正 userid"),
		40008:  permanent("WeCom does not take this type of message; update hutong", "企业微信不支持此消息类型；请升级 hutong"),
		40013:  login("the CorpID is wrong; correct it in the config", "企业 ID 错误；请在配置中更正"),
		40035:  permanent("WeCom does not accept a value of the call; shorten or change the message", "参数不合法；请缩短或修改消息"),
		40056:  login("the AgentID is wrong; correct it in the config", "AgentID 错误；请在配置中更正"),
		40058:  permanent("WeCom does not accept a value of the call; shorten or change the message", "参数不合法；请缩短或修改消息"),
		40125:  permanent("this open_userid is not valid; correct it", "open_userid 无效；请更正"),
		40201:  permanent("WeCom took the message for spam; write it in other words", "消息被判定为垃圾信息；请修改后再发"),
		41004:  login("the app's secret is missing; put it into the config", "缺少应用 Secret；请填入配置"),
		42014:  permanent("the card's task_id is empty, too long or was used before", "卡片的 task_id 为空、过长或已被使用"),
		43012:  permanent("the app has no callback address; set 接收消息 in 应用管理, without it cards cannot be answered", "应用未设置回调地址；请在「应用管理 → 接收消息」中设置，否则卡片按钮不可用"),
		45009:  wait(time.Minute, "too many calls; it goes on by itself", "调用过于频繁，稍后自动继续"),
		45033:  wait(5*time.Second, "too many calls at the same time; it goes on by itself", "并发调用过多，稍后自动继续"),
		48002:  login("the app has no right to this call; allow it in the app's settings (for customer service: 微信客服 → 可调用接口的应用)", "应用没有此接口权限；请在后台授权（微信客服：「微信客服 → 可调用接口的应用」）"),
		50001:  permanent("the page's domain is not trusted; add it under 网页授权及JS-SDK in the app's settings", "网页域名不可信；请在应用设置「网页授权及JS-SDK」中添加"),
		60011:  permanent("the app may not see this member or department; widen its 可见范围", "应用无权访问该成员或部门；请扩大「可见范围」"),
		60020:  login("this computer's address is not trusted; add the IP to 企业可信IP of the app", "本机 IP 不可信；请在应用的「企业可信IP」中添加"),
		60111:  permanent("this member is unknown to WeCom; correct the userid", "企业微信中没有该成员；请更正 userid"),
		60123:  permanent("this department is unknown to WeCom; correct its id", "企业微信中没有该部门；请更正部门 ID"),
		81013:  permanent("none of the receivers exists or may see the app; widen its 可见范围", "收件人均无效或不在应用可见范围内；请扩大「可见范围」"),
		82001:  permanent("the message has no receiver; name one", "没有收件人；请指定收件人"),
		301002: login("the secret is not the one of this AgentID; correct both in the config", "Secret 与 AgentID 不匹配；请在配置中更正"),
	}
}

// chatCodes are those of groups that an app makes.
func chatCodes() Codes {
	const look, lookZh = "; correct the group's settings", "；请检查群聊设置"
	t := Codes{
		86001: permanent("the group's id is not valid"+look, "群聊 ID 不合法"+lookZh),
		86003: permanent("the group does not exist"+look, "群聊不存在"+lookZh),
		86004: permanent("the group's name is not valid"+look, "群名不合法"+lookZh),
		86005: permanent("the group's owner is not valid"+look, "群主不合法"+lookZh),
		86006: permanent("a group has 2 to 2000 members"+look, "群成员数须为 2 至 2000 人"+lookZh),
		86007: permanent("a member of the group is not valid"+look, "群成员不合法"+lookZh),
		86008: permanent("another app has made this group; only that one may write in it", "群聊由其他应用创建，本应用不能发言"),
		86215: permanent("a group of this id exists already", "该 ID 的群聊已存在"),
	}
	for code := 86201; code <= 86207; code++ {
		t[code] = permanent("a value of the group is missing or too long"+look, "群聊参数缺失或过长"+lookZh)
	}
	return t
}

// serviceCodes are those of customer service.
func serviceCodes() Codes {
	return Codes{
		95000: login("the customer service account's id (open_kfid) is not valid; correct it in the config", "客服帐号 ID（open_kfid）不合法；请在配置中更正"),
		95001: closed("five messages were sent since the customer last wrote; it will be sent when they write again", "客户上次发言后已发满 5 条；客户再次发消息后会自动发送"),
		95002: closed("the customer has not written for 48 hours; it will be sent when they write again", "客户超过 48 小时未发消息；客户再次发消息后会自动发送"),
		95003: permanent("the corp may not serve more customers; verify it in the console", "可服务的客户数已达上限；请在后台完成企业认证"),
		95004: login("the customer service account does not exist or belongs to another corp; correct open_kfid in the config", "客服帐号不存在或不属于本企业；请在配置中更正 open_kfid"),
		95005: permanent("there are too many customer service accounts; delete one in the console", "客服帐号数已达上限；请在后台删除不用的帐号"),
		95006: permanent("the customer service account's name is not valid; it has at most 16 characters", "客服帐号名称不合法；最多 16 个字"),
		95007: retry("the callback's token has expired; messages are fetched without it", "回调的 token 已过期，将不带 token 拉取消息"),
		95008: permanent("a menu has at most 10 entries", "菜单最多 10 项"),
		95009: permanent("WeCom does not know this type of menu entry; update hutong", "菜单项类型不合法；请升级 hutong"),
		95011: login("customer service already runs inside WeCom; let 可调用接口的应用 in the console name this app", "企业已在企业微信内使用微信客服；请在后台「可调用接口的应用」中勾选本应用"),
		95012: login("customer service does not run inside WeCom; switch it on in the console", "企业未在企业微信内开通微信客服；请在后台开通"),
		95013: closed("the conversation has ended; it will be sent when the customer writes again", "会话已结束；客户再次发消息后会自动发送"),
		95014: permanent("this member is no servicer or is not activated; add them to the servicers (接待人员)", "该成员不是接待人员或未激活；请在「接待人员」中添加"),
		95015: permanent("the console has an exclusive service already; change it there", "后台已配置专员服务；请在后台修改"),
		95016: permanent("the conversation cannot change into that state; look at it in WeCom", "会话状态不允许这样变更；请在企业微信中查看会话"),
		95017: login("API access to the customer service account is off; switch it on under 微信客服 → API", "客服帐号未开启 API；请在「微信客服 → API」中开启"),
		95018: closed("somebody else serves this customer now, or the conversation has ended; set the account's reception to API, or answer in WeCom", "会话当前由他人接待或已结束；请将客服帐号设为由 API 接待，或在企业微信中回复"),
		95019: permanent("the servicer is off duty; choose another one", "接待人员已停止接待或挂起；请换一位"),
		95022: permanent("the place cannot be sent; send its address as text", "位置类型不合法；请改发文字地址"),
		95023: login("API access was given to another developer's app; take it back in the console", "API 已授权给代开发应用；请在后台收回"),
		95026: permanent("too few customers come for another account; use those that exist", "客服使用量过低，不能新建帐号；请使用已有帐号"),
		95027: permanent("an unverified corp has at most 10 customer service accounts; verify it in the console", "未认证企业最多 10 个客服帐号；请在后台完成认证"),
		95030: permanent("this type of message may not be sent here; send text", "此处不允许发送该类型的消息；请改发文字"),
		95031: closed("the customer has not written within 48 hours; it will be sent when they write again", "客户 48 小时内未咨询；客户再次发消息后会自动发送"),
	}
}
