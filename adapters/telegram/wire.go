package telegram

import (
	"encoding/json"
	"strings"
)

// wanted are the kinds of update that Telegram is asked for. Reactions come only when they are named
// (https://core.telegram.org/bots/api#update).
func wanted() []string {
	return []string{
		"message", "edited_message", "message_reaction", "my_chat_member", "callback_query",
		"business_connection", "business_message", "edited_business_message", "deleted_business_messages",
	}
}

// update is one piece of news. At most one of its fields is set; of those that are not here nothing is needed.
type update struct {
	ID              int64       `json:"update_id"`
	Message         *message    `json:"message"`
	Edited          *message    `json:"edited_message"`
	Reaction        *reacted    `json:"message_reaction"`
	Member          *membership `json:"my_chat_member"`
	Press           *pressed    `json:"callback_query"`
	Connection      *connection `json:"business_connection"`
	Business        *message    `json:"business_message"`
	EditedBusiness  *message    `json:"edited_business_message"`
	DeletedBusiness *deleted    `json:"deleted_business_messages"`
	misunderstood   bool
}

// parse reads an update. What has the shape of an update but holds something that is not as documented is passed over,
// not repeated for ever; the error is for what is no update.
func parse(raw []byte) (update, error) {
	var u update
	err := json.Unmarshal(raw, &u)
	if err != nil {
		var bare struct {
			ID int64 `json:"update_id"`
		}
		if err := json.Unmarshal(raw, &bare); err != nil || bare.ID <= 0 {
			return update{}, errNotUnderstood
		}
		return update{ID: bare.ID, misunderstood: true}, nil
	}
	if u.ID <= 0 {
		return update{}, errNotUnderstood
	}
	return u, nil
}

// said is the message that an update brings, if it is a new one.
func (u *update) said() *message {
	if u.Message != nil {
		return u.Message
	}
	return u.Business
}

// chat is where an update happens; 0 is nowhere.
func (u *update) chat() int64 {
	for _, m := range []*message{u.Message, u.Edited, u.Business, u.EditedBusiness} {
		if m != nil {
			return m.Chat.ID
		}
	}
	switch {
	case u.Reaction != nil:
		return u.Reaction.Chat.ID
	case u.Member != nil:
		return u.Member.Chat.ID
	case u.Press != nil && u.Press.Message != nil:
		return u.Press.Message.Chat.ID
	case u.DeletedBusiness != nil:
		return u.DeletedBusiness.Chat.ID
	}
	return 0
}

type user struct {
	ID        int64  `json:"id"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Username  string `json:"username"`
}

func (u *user) name() string {
	if n := strings.TrimSpace(u.FirstName + " " + u.LastName); n != "" {
		return n
	}
	return u.Username
}

type chat struct {
	ID    int64  `json:"id"`
	Type  string `json:"type"`
	Title string `json:"title"`
}

// private is the only kind of chat that is bridged.
const private = "private"

// message is what is needed of a message.
type message struct {
	ID         int64  `json:"message_id"`
	From       *user  `json:"from"`
	Date       int64  `json:"date"`
	EditDate   int64  `json:"edit_date"`
	Chat       chat   `json:"chat"`
	Connection string `json:"business_connection_id"`
	SentByBot  *user  `json:"sender_business_bot"`
	Group      string `json:"media_group_id"`
	Markup     struct {
		Rows [][]struct {
			Text string `json:"text"`
			Data string `json:"callback_data"`
		} `json:"inline_keyboard"`
	} `json:"reply_markup"`

	Forward *struct {
		SenderUser *user  `json:"sender_user"`
		SenderName string `json:"sender_user_name"`
		SenderChat *chat  `json:"sender_chat"`
		Chat       *chat  `json:"chat"`
	} `json:"forward_origin"`
	ReplyTo *struct {
		ID int64 `json:"message_id"`
	} `json:"reply_to_message"`
	External json.RawMessage `json:"external_reply"`
	Quote    *struct {
		Text     string   `json:"text"`
		Entities []entity `json:"entities"`
		Manual   bool     `json:"is_manual"`
	} `json:"quote"`

	Text            string   `json:"text"`
	Entities        []entity `json:"entities"`
	Caption         string   `json:"caption"`
	CaptionEntities []entity `json:"caption_entities"`

	Photo     []file `json:"photo"` // one picture in several sizes
	Document  *file  `json:"document"`
	Animation *file  `json:"animation"`
	Audio     *file  `json:"audio"`
	Video     *file  `json:"video"`
	VideoNote *file  `json:"video_note"`
	Voice     *file  `json:"voice"`
	Sticker   *file  `json:"sticker"`

	Location *location `json:"location"`
	Venue    *struct {
		Location location `json:"location"`
		Title    string   `json:"title"`
		Address  string   `json:"address"`
	} `json:"venue"`
	Contact *struct {
		Phone     string `json:"phone_number"`
		FirstName string `json:"first_name"`
		LastName  string `json:"last_name"`
	} `json:"contact"`
	Poll *struct {
		Question string `json:"question"`
		Options  []struct {
			Text string `json:"text"`
		} `json:"options"`
	} `json:"poll"`
	Dice *struct {
		Emoji string `json:"emoji"`
		Value int    `json:"value"`
	} `json:"dice"`

	Story     json.RawMessage `json:"story"`
	Game      json.RawMessage `json:"game"`
	Invoice   json.RawMessage `json:"invoice"`
	PaidMedia json.RawMessage `json:"paid_media"`
	Checklist json.RawMessage `json:"checklist"`
	Gift      json.RawMessage `json:"gift"`
}

// file is what all kinds of file have, and what some have.
type file struct {
	ID       string `json:"file_id"`
	Size     int64  `json:"file_size"`
	Name     string `json:"file_name"`
	Type     string `json:"mime_type"`
	Width    int    `json:"width"`
	Height   int    `json:"height"`
	Emoji    string `json:"emoji"`
	Animated bool   `json:"is_animated"` // a sticker that is a Lottie animation
	Video    bool   `json:"is_video"`    // a sticker that is a video
}

type location struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Live      int     `json:"live_period"`
}

type reaction struct {
	Type  string `json:"type"`
	Emoji string `json:"emoji"`
}

type reacted struct {
	Chat chat       `json:"chat"`
	ID   int64      `json:"message_id"`
	User *user      `json:"user"`
	Date int64      `json:"date"`
	Old  []reaction `json:"old_reaction"`
	New  []reaction `json:"new_reaction"`
}

type membership struct {
	Chat chat  `json:"chat"`
	From user  `json:"from"`
	Date int64 `json:"date"`
	New  struct {
		Status string `json:"status"`
	} `json:"new_chat_member"`
}

type connection struct {
	ID      string `json:"id"`
	User    user   `json:"user"`
	Enabled bool   `json:"is_enabled"`
}

type deleted struct {
	Connection string  `json:"business_connection_id"`
	Chat       chat    `json:"chat"`
	IDs        []int64 `json:"message_ids"`
}
