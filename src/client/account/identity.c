/* Who this device is: its row in the store, the verified device log, and the boxes that links name. */
#include "client/client_priv.h"

#include <stdlib.h>

#define IDENTITY_VERSION 1u

/* u8 version ‖ account 32 ‖ device 16 ‖ signing seed 32 ‖ X25519 secret 32 ‖ u8 has account key ‖ account key 16 ‖
 * LP(device name) ‖ LP(server) ‖ LP(account name) */
edn_status identity_save(edn_client *c, const identity *id)
{
    edn_buf row = EDN_BUF_INIT(4096);
    edn_status st;

    edn_put_u8(&row, IDENTITY_VERSION);
    edn_put_bytes(&row, id->account.b, sizeof id->account.b);
    edn_put_bytes(&row, id->device.b, sizeof id->device.b);
    edn_put_bytes(&row, id->sign_seed.b, sizeof id->sign_seed.b);
    edn_put_bytes(&row, id->enc_sk.b, sizeof id->enc_sk.b);
    edn_put_u8(&row, id->has_account_key);
    edn_put_bytes(&row, id->account_key.b, sizeof id->account_key.b);
    edn_put_lp(&row, edn_bytes_str(id->device_name));
    edn_put_lp(&row, edn_bytes_str(id->server));
    edn_put_lp(&row, edn_bytes_str(id->name));
    st = edn_buf_status(&row);
    if (st == EDN_OK)
        st = meta_put(c, "identity", EDN_BYTES_EMPTY, edn_buf_view(&row));
    edn_buf_wipe(&row);
    return st;
}

static void read_text(edn_reader *r, char *to, size_t size, const char *field)
{
    edn_bytes s = edn_read_lp(r, size - 1, field);

    if (s.n)
        memcpy(to, s.p, s.n);
    to[s.n] = 0;
}

edn_journal_id identity_first_journal(const edn_account_id *account)
{
    edn_hash h = edn_h32_t(EDN_LABEL_JOURNAL_FIRST, EDN_F(*account));
    edn_journal_id j;

    memcpy(j.b, h.b, sizeof j.b);
    return j;
}

void identity_derive(identity *id)
{
    edn_sign_pk pk;

    edn_sign_keypair(id->sign_seed.b, &pk, &id->sign_sk);
    id->space = edn_space_personal(&id->account);
    id->journal = identity_first_journal(&id->account);
}

edn_status identity_load(edn_client *c)
{
    identity *id = &c->secret->id;
    edn_buf row = EDN_BUF_INIT(4096);
    edn_status st = meta_get(c, "identity", EDN_BYTES_EMPTY, &row);
    edn_reader r = edn_reader_init(edn_buf_view(&row));

    if (st == EDN_OK) {
        if (edn_read_u8(&r, "version") != IDENTITY_VERSION)
            edn_reader_fail(&r, EDN_E_FORMAT, "version");
        edn_read_into(&r, id->account.b, sizeof id->account.b, "account");
        edn_read_into(&r, id->device.b, sizeof id->device.b, "device");
        edn_read_into(&r, id->sign_seed.b, sizeof id->sign_seed.b, "signing seed");
        edn_read_into(&r, id->enc_sk.b, sizeof id->enc_sk.b, "encryption key");
        id->has_account_key = edn_read_u8(&r, "has account key") != 0;
        edn_read_into(&r, id->account_key.b, sizeof id->account_key.b, "account key");
        read_text(&r, id->device_name, sizeof id->device_name, "device name");
        read_text(&r, id->server, sizeof id->server, "server");
        read_text(&r, id->name, sizeof id->name, "account name");
        st = edn_reader_end(&r) == EDN_OK ? EDN_OK : EDN_E_DAMAGED;
    } else if (st == EDN_E_MISSING) {
        st = EDN_E_DAMAGED;
    }
    edn_buf_wipe(&row);
    if (st == EDN_OK)
        identity_derive(id);
    return st;
}

/* ---- the device log as rows -------------------------------------------------------------------------------------- */

static void be64(uint8_t out[8], uint64_t v)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> (56 - 8 * i));
}

/* An image that cannot be read is none: the links say the same. */
static edn_status image_load(edn_client *c)
{
    edn_buf row = EDN_BUF_INIT(LOG_IMAGE_SIZE_MAX);
    edn_devlog *log = NULL;
    edn_status st = meta_get(c, "log-image", EDN_BYTES_EMPTY, &row);

    if (st == EDN_OK)
        st = edn_devlog_image_read(edn_buf_view(&row), &log);
    edn_buf_dispose(&row);
    if (st == EDN_OK) {
        edn_devlog_free(c->log);
        c->log = log;
    }
    c->log_imaged = edn_devlog_count(c->log);
    return st == EDN_E_NOMEM ? st : EDN_OK;
}

edn_status log_image_flush(edn_client *c)
{
    edn_buf row = EDN_BUF_INIT(LOG_IMAGE_SIZE_MAX);
    edn_status st;

    if (!c->log || edn_devlog_count(c->log) < c->log_imaged + LOG_IMAGE_EVERY)
        return EDN_OK;
    edn_devlog_image_put(&row, c->log);
    st = edn_buf_status(&row);
    if (st == EDN_OK)
        st = meta_put(c, "log-image", EDN_BYTES_EMPTY, edn_buf_view(&row));
    if (st == EDN_OK)
        c->log_imaged = edn_devlog_count(c->log);
    edn_buf_dispose(&row);
    return st == EDN_E_LIMIT ? EDN_OK : st; /* then links do without it */
}

edn_status log_load(edn_client *c)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_status st = edn_devlog_count(c->log) ? EDN_OK : image_load(c);

    while (st == EDN_OK) {
        uint8_t key[8];
        be64(key, edn_devlog_count(c->log));
        edn_buf_reset(&link);
        st = edn_store_get(c->store, EDN_TABLE_LINK, edn_bytes_of(key, sizeof key), &link);
        /* Verified before it was kept, and sealed since. */
        if (st == EDN_OK && (st = edn_devlog_append_trusted(c->log, edn_buf_view(&link))) != EDN_OK &&
            st != EDN_E_NOMEM)
            st = EDN_E_DAMAGED;
    }
    edn_buf_dispose(&link);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

edn_status log_save_link(edn_client *c, uint64_t seq, edn_bytes link)
{
    uint8_t key[8];

    be64(key, seq);
    return edn_store_put(c->store, EDN_TABLE_LINK, edn_bytes_of(key, sizeof key), link);
}

edn_status log_take_link(edn_client *c, edn_bytes link)
{
    edn_hash hash = edn_link_hash(link), at;
    edn_link_info info;
    edn_status st = edn_link_peek(link, &info);

    if (st != EDN_OK)
        return st;
    if (edn_devlog_hash_at(c->log, info.seq, &at))
        return memcmp(at.b, hash.b, sizeof at.b) == 0 ? EDN_OK : EDN_E_CONFLICT;
    st = edn_devlog_append(c->log, link);
    if (st == EDN_OK)
        st = log_save_link(c, info.seq, link);
    return st == EDN_OK ? log_own_mark(c, &info) : st;
}

edn_status box_save(edn_client *c, edn_bytes box)
{
    edn_hash h = edn_h32(box);
    return edn_store_put(c->store, EDN_TABLE_BOX, EDN_F(h), box);
}

edn_status box_load(edn_client *c, const edn_hash *hash, edn_buf *out)
{
    return edn_store_get(c->store, EDN_TABLE_BOX, EDN_F(*hash), out);
}

edn_status edn_client_account(edn_client *c, edn_account_info *out, edn_err *err)
{
    const identity *id;
    edn_status st = client_begin_read(c, err);

    memset(out, 0, sizeof *out);
    if (st != EDN_OK)
        return st;
    id = client_id(c);
    edn_hex_encode(out->account, id->account.b, sizeof id->account.b);
    edn_hex_encode(out->device, id->device.b, sizeof id->device.b);
    if (id->has_account_key)
        edn_account_key_text(out->account_key, &id->account_key);
    memcpy(out->server, id->server, sizeof out->server);
    memcpy(out->name, id->name, sizeof out->name);
    memcpy(out->device_name, id->device_name, sizeof out->device_name);
    return client_end_read(c, EDN_OK, err);
}
