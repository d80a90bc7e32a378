package tencent

import (
	"maps"
	"time"
)

// OfficialAccountCodes are the errcodes of an Official Account. The table is the caller's own.
// https://developers.weixin.qq.com/doc/oplatform/developers/errCode/errCode.html
func OfficialAccountCodes() Codes {
	t := sharedCodes()
	maps.Copy(t, Codes{
		40001: login("the AppSecret is wrong or was reset; copy it from 设置与开发 → 基本配置 into the config", "AppSecret 错误或已重置；请从「设置与开发 → 基本配置」复制到配置中"),
		40003: permanent("this customer is unknown to the Official Account; was its AppID changed?", "公众号不认识该客户（openid 无效）；是否更换过 AppID？"),
		40013: login("the AppID is wrong; correct it in the config", "AppID 错误；请在配置中更正"),
		40125: login("the AppSecret is wrong; copy it from 设置与开发 → 基本配置 into the config", "AppSecret 错误；请从「设置与开发 → 基本配置」复制到配置中"),
		40164: login("this computer's address is not allowed; add the IP to IP 白名单 under 设置与开发 → 基本配置", "本机 IP 未在白名单中；请在「设置与开发 → 基本配置 → IP 白名单」中添加"),
		40200: permanent("this type of account may not do that; a verified account may", "该类型的公众号不能使用此功能；请完成微信认证"),
		43004: permanent("the customer does not follow the Official Account; ask them to follow it again", "客户未关注公众号；请让客户重新关注"),
		43019: permanent("the customer is on the Official Account's blacklist; take them off it in 用户管理", "客户在公众号黑名单中；请在「用户管理」中移出"),
		43101: permanent("the customer has not allowed any more notices; ask them to subscribe again", "客户未订阅该通知或次数已用完；请让客户重新订阅"),
		45009: wait(time.Hour, "the day's quota of this call is used up; it goes on after midnight in Beijing, or at once after clear_quota", "接口当日调用次数已用完；北京时间零点后恢复，也可清零调用次数"),
		45011: wait(time.Minute, "too many calls in one minute; it goes on by itself", "调用过于频繁，稍后自动继续"),
		45015: closed("the customer has not written for 48 hours or no longer follows the account; it will be sent when they write again", "客户超过 48 小时未发消息或已取消关注；客户再次发消息后会自动发送"),
		45047: closed("the customer must write again before more can be sent; it will be sent then", "本次可发送的条数已用完；客户再次发消息后会自动发送"),
		45072: permanent("the sign that somebody is writing is unknown to the network", "“正在输入”指令不正确"),
		45080: permanent("the sign that somebody is writing is shown only within 30 seconds of the customer's message", "客户 30 秒内没有互动，不能显示“正在输入”"),
		45081: permanent("the sign that somebody is writing is shown already", "已在显示“正在输入”"),
		47003: permanent("the notice's fields do not fit its template; compare them with the template in the console", "通知内容与模板字段不符；请对照后台的模板"),
		48001: login("the account has no right to this call; only verified accounts may answer customers (see 接口权限)", "公众号没有此接口权限；认证后才能回复客户（见「接口权限」）"),
		48002: permanent("the customer has switched off messages of this account; ask them to switch them on again", "客户已拒收公众号消息；请让客户重新开启"),
		48004: login("the network has banned this call for the account; see the notice in 公众平台", "接口已被封禁；请登录公众平台查看通知"),
		50001: permanent("the account has no right to this customer's data; look at 接口权限 in the console", "公众号无权访问该用户；请查看后台「接口权限」"),
		50005: permanent("the customer does not follow the Official Account; ask them to follow it again", "客户未关注公众号；请让客户重新关注"),
	})
	// 65400 to 65416: the Official Account's own console for several agents.
	for code := 65400; code <= 65416; code++ {
		t[code] = permanent("the Official Account's own customer service refuses; look at 客服功能 in 公众平台", "公众号客服功能拒绝了此请求；请在公众平台检查「客服功能」")
	}
	return t
}
