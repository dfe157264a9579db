/* Who is who in a shared journal.
 *
 *     META "member"      salt: member key 16      account 32 ‖ u8 role ‖ LP(name)
 *          "statement"   salt: device 16          account 32 ‖ device 16 ‖ u64 log seq ‖ log head 32 ‖ signature 64
 *          "people"                               n × (account 32 ‖ u64 seq ‖ head 32 ‖ LP(name)): as the person knows
 *     DIRTY              id 16 ‖ u8 type          a record to be said with the next batch, as it is */
#include "client/sharing/space.h"

#define RECORD_FORMAT 1u
#define SAID_KEY_SIZE 17u
#define PEOPLE_SIZE_MAX ((size_t)4 << 20)

/* ---- what is to be said ------------------------------------------------------------------------------------------ */

edn_status said_put(edn_client *s, const edn_entry_id *id, edn_record_type type, edn_bytes ops)
{
    uint8_t key[SAID_KEY_SIZE];

    memcpy(key, id->b, sizeof id->b);
    key[sizeof id->b] = (uint8_t)type;
    return edn_store_put(s->store, EDN_TABLE_DIRTY, edn_bytes_of(key, sizeof key), ops);
}

static edn_status say(edn_client *s, const edn_device_id *id, edn_record_type type, edn_bytes ops)
{
    edn_entry_id as;

    memcpy(as.b, id->b, sizeof as.b);
    return said_put(s, &as, type, ops);
}

/* Member keys before what devices say of themselves: a reader takes statements of known members. */
typedef struct saying {
    edn_buf keys;
} saying;

static edn_status said_row(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    saying *y = ctx;

    (void)value;
    if (key.n == SAID_KEY_SIZE)
        edn_put_bytes(&y->keys, key.p, key.n);
    return st == EDN_OK ? edn_buf_status(&y->keys) : st;
}

static edn_status said_one(edn_client *s, const uint8_t key[SAID_KEY_SIZE], said_fn *fn, void *ctx)
{
    edn_buf ops = EDN_BUF_INIT(EDN_RECORD_SIZE_MAX);
    edn_entry_id id;
    edn_status st = edn_store_get(s->store, EDN_TABLE_DIRTY, edn_bytes_of(key, SAID_KEY_SIZE), &ops);

    memcpy(id.b, key, sizeof id.b);
    if (st == EDN_OK && (st = fn(ctx, &id, key[sizeof id.b], edn_buf_view(&ops))) == EDN_OK)
        st = edn_store_del(s->store, EDN_TABLE_DIRTY, edn_bytes_of(key, SAID_KEY_SIZE));
    edn_buf_dispose(&ops);
    return st;
}

edn_status said_take(edn_client *s, said_fn *fn, void *ctx)
{
    saying y = {EDN_BUF_INIT((size_t)1 << 20)};
    edn_status st = edn_store_scan(s->store, EDN_TABLE_DIRTY, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, true, said_row, &y);

    for (uint8_t type = EDN_RECORD_MEMBER; st == EDN_OK && type <= EDN_RECORD_STATEMENT; type++)
        for (size_t i = 0; st == EDN_OK && i < y.keys.n; i += SAID_KEY_SIZE)
            if (y.keys.p[i + SAID_KEY_SIZE - 1] == type)
                st = said_one(s, y.keys.p + i, fn, ctx);
    edn_buf_dispose(&y.keys);
    return st;
}

/* ---- member keys ------------------------------------------------------------------------------------------------- */

static void member_put(edn_buf *out, const member *m)
{
    edn_put_bytes(out, m->account.b, sizeof m->account.b);
    edn_put_u8(out, (uint8_t)m->role);
    edn_put_lp(out, edn_bytes_str(m->name));
}

static edn_status member_read(edn_bytes in, member *out)
{
    edn_reader r = edn_reader_init(in);
    edn_bytes name;

    memset(out, 0, sizeof *out);
    edn_read_into(&r, out->account.b, sizeof out->account.b, "account");
    out->role = (edn_role)edn_read_u8(&r, "role");
    name = edn_read_lp(&r, sizeof out->name - 1, "name");
    if (edn_reader_end(&r) != EDN_OK || out->role < EDN_ROLE_READ || out->role > EDN_ROLE_OWNER ||
        edn_utf8_check(name, NULL) != name.n || (name.n && memchr(name.p, 0, name.n)))
        return EDN_E_FORMAT;
    if (name.n)
        memcpy(out->name, name.p, name.n);
    return EDN_OK;
}

edn_status member_load(edn_client *s, const edn_device_id *key, member *out)
{
    edn_buf row = EDN_BUF_INIT(4096);
    edn_status st = meta_get(s, "member", EDN_F(*key), &row);

    if (st == EDN_OK && member_read(edn_buf_view(&row), out) != EDN_OK)
        st = EDN_E_DAMAGED;
    edn_buf_dispose(&row);
    return st;
}

edn_status member_say(edn_client *s, const edn_device_id *key, const member *m)
{
    edn_buf ops = EDN_BUF_INIT(4096);
    edn_status st;

    edn_put_u8(&ops, RECORD_FORMAT);
    member_put(&ops, m);
    if ((st = edn_buf_status(&ops)) == EDN_OK &&
        (st = meta_put(s, "member", EDN_F(*key), edn_bytes_of(ops.p + 1, ops.n - 1))) == EDN_OK)
        st = say(s, key, EDN_RECORD_MEMBER, edn_buf_view(&ops));
    edn_buf_dispose(&ops);
    return st;
}

/* Only an admin says who a member key is of. */
static edn_status apply_member(edn_client *s, const edn_batch_header *h, const edn_record *r, edn_bytes ops)
{
    const edn_device *author = edn_devlog_device_find(s->log, &h->device);
    edn_device_id key;
    member m;

    memcpy(key.b, r->entry.b, sizeof key.b);
    if (!author || !(author->cert.caps & EDN_CAP_ADMIN))
        return EDN_E_CAP;
    if (ops.n == 0 || ops.p[0] != RECORD_FORMAT || member_read(edn_bytes_of(ops.p + 1, ops.n - 1), &m) != EDN_OK)
        return EDN_E_FORMAT;
    return meta_put(s, "member", EDN_F(key), edn_bytes_of(ops.p + 1, ops.n - 1));
}

/* ---- statements -------------------------------------------------------------------------------------------------- */

static void statement_put(edn_buf *out, const edn_statement *x)
{
    edn_put_bytes(out, x->account.b, sizeof x->account.b);
    edn_put_bytes(out, x->device.b, sizeof x->device.b);
    edn_put_u64(out, x->log_seq);
    edn_put_bytes(out, x->log_head.b, sizeof x->log_head.b);
    edn_put_bytes(out, x->sig.b, sizeof x->sig.b);
}

static void statement_read(edn_reader *r, edn_statement *out)
{
    memset(out, 0, sizeof *out);
    edn_read_into(r, out->account.b, sizeof out->account.b, "account");
    edn_read_into(r, out->device.b, sizeof out->device.b, "device");
    out->log_seq = edn_read_u64(r, "log seq");
    edn_read_into(r, out->log_head.b, sizeof out->log_head.b, "log head");
    edn_read_into(r, out->sig.b, sizeof out->sig.b, "signature");
}

edn_status statement_load(edn_client *s, const edn_device_id *device, edn_statement *out)
{
    edn_buf row = EDN_BUF_INIT(4096);
    edn_status st = meta_get(s, "statement", EDN_F(*device), &row);
    edn_reader r = edn_reader_init(edn_buf_view(&row));

    if (st == EDN_OK) {
        statement_read(&r, out);
        st = edn_reader_end(&r) == EDN_OK ? EDN_OK : EDN_E_DAMAGED;
    }
    edn_buf_dispose(&row);
    return st;
}

static edn_status statement_keep(edn_client *s, const edn_device_id *device, const edn_statement *x)
{
    edn_buf row = EDN_BUF_INIT(4096);
    edn_status st;

    statement_put(&row, x);
    st = edn_buf_status(&row);
    if (st == EDN_OK)
        st = meta_put(s, "statement", EDN_F(*device), edn_buf_view(&row));
    edn_buf_dispose(&row);
    return st;
}

edn_status statement_say(edn_client *s, const edn_statement *own, const edn_bytes *links, size_t links_n)
{
    const edn_device_id *device = &client_id(s)->device;
    edn_buf ops = EDN_BUF_INIT(EDN_RECORD_SIZE_MAX - 1024);
    edn_status st;

    edn_put_u8(&ops, RECORD_FORMAT);
    statement_put(&ops, own);
    edn_put_u32(&ops, (uint32_t)links_n);
    for (size_t i = 0; i < links_n; i++)
        edn_put_lp(&ops, links[i]);
    if ((st = edn_buf_status(&ops)) == EDN_OK && (st = statement_keep(s, device, own)) == EDN_OK)
        st = say(s, device, EDN_RECORD_STATEMENT, edn_buf_view(&ops));
    edn_buf_dispose(&ops);
    return st;
}

/* ---- what the person knows --------------------------------------------------------------------------------------- */

edn_status people_save(edn_client *s, edn_bytes row) { return meta_put(s, "people", EDN_BYTES_EMPTY, row); }

typedef struct person_known {
    uint64_t seq;
    edn_hash head;
    edn_bytes name;
} person_known;

/* EDN_E_MISSING: not known. What is found is borrowed from `row`. */
static edn_status person_find(edn_client *s, const edn_account_id *account, edn_buf *row, person_known *out)
{
    edn_status st = meta_get(s, "people", EDN_BYTES_EMPTY, row);
    edn_reader r = edn_reader_init(edn_buf_view(row));
    edn_account_id is;

    while (st == EDN_OK && edn_reader_left(&r) > 0) {
        edn_read_into(&r, is.b, sizeof is.b, "account");
        out->seq = edn_read_u64(&r, "seq");
        edn_read_into(&r, out->head.b, sizeof out->head.b, "head");
        out->name = edn_read_lp(&r, EDN_LETTER_TEXT_MAX, "name");
        if (edn_reader_status(&r) != EDN_OK)
            return EDN_E_DAMAGED;
        if (memcmp(is.b, account->b, sizeof is.b) == 0)
            return EDN_OK;
    }
    return st == EDN_OK ? EDN_E_MISSING : st;
}

static edn_status agrees_with_person(edn_client *s, const edn_account_id *account, const edn_devlog *log)
{
    edn_buf row = EDN_BUF_INIT(PEOPLE_SIZE_MAX);
    person_known k;
    edn_hash at;
    edn_status st = person_find(s, account, &row, &k);

    /* A log that ends before the pin may be an older statement of the same account. */
    if (st == EDN_OK && edn_devlog_hash_at(log, k.seq, &at) && memcmp(at.b, k.head.b, sizeof at.b) != 0)
        st = EDN_E_FORK;
    edn_buf_dispose(&row);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

static edn_status name_of_account(edn_client *s, const edn_account_id *account, const char *own, edn_buf *out)
{
    edn_buf row = EDN_BUF_INIT(PEOPLE_SIZE_MAX);
    person_known k;
    edn_status st = person_find(s, account, &row, &k);

    if (st == EDN_OK)
        edn_put_bytes(out, k.name.p, k.name.n);
    else if (st == EDN_E_MISSING && own)
        edn_put_str(out, own); /* what an admin has heard them call themselves */
    st = st == EDN_E_MISSING && own ? EDN_OK : st;
    edn_buf_dispose(&row);
    return st == EDN_OK ? edn_buf_status(out) : st;
}

edn_status member_name(edn_client *s, const edn_device_id *device, edn_buf *out)
{
    const edn_device *key = edn_devlog_membership(s->log, device);
    member m;
    edn_status st = key ? member_load(s, &key->id, &m) : EDN_E_MISSING;

    return st == EDN_OK ? name_of_account(s, &m.account, m.name, out) : st;
}

/* ---- taking statements in ---------------------------------------------------------------------------------------- */

/* The log that a statement brings, from its first link. */
static edn_status read_log(edn_reader *r, edn_devlog *log)
{
    uint32_t n = edn_read_u32(r, "links");
    edn_status st = EDN_OK;

    for (uint32_t i = 0; st == EDN_OK && i < n && edn_reader_status(r) == EDN_OK; i++) {
        edn_bytes link = edn_read_lp(r, EDN_LINK_SIZE_MAX, "link");
        if (edn_reader_status(r) == EDN_OK)
            st = edn_devlog_append(log, link);
    }
    if (st == EDN_E_NOMEM)
        return st;
    if (edn_reader_end(r) != EDN_OK)
        return EDN_E_FORMAT;
    return st != EDN_OK || edn_devlog_count(log) == 0 || edn_devlog_is_space(log) ? EDN_E_AUTH : EDN_OK;
}

/* A device speaks for itself, and for the account that an admin has let in by that member key. */
static edn_status apply_statement(edn_client *s, const edn_batch_header *h, const edn_record *r, edn_bytes ops)
{
    const edn_device *key = edn_devlog_membership(s->log, &h->device);
    edn_reader rd = edn_reader_init(ops);
    edn_devlog *log = NULL;
    edn_statement x;
    member m;
    edn_status st;

    if (memcmp(r->entry.b, h->device.b, sizeof h->device.b) != 0)
        return EDN_E_AUTH;
    if (!key)
        return EDN_E_AUTH;
    if ((st = member_load(s, &key->id, &m)) != EDN_OK)
        return st;
    if (edn_read_u8(&rd, "format") != RECORD_FORMAT)
        return EDN_E_FORMAT;
    statement_read(&rd, &x);
    if (memcmp(x.account.b, m.account.b, sizeof m.account.b) != 0)
        return EDN_E_AUTH;
    if ((st = edn_devlog_new(&log)) == EDN_OK && (st = read_log(&rd, log)) == EDN_OK &&
        (st = edn_statement_check(&x, log, &client_id(s)->account, &h->device)) != EDN_OK)
        st = EDN_E_AUTH;
    if (st == EDN_OK)
        st = agrees_with_person(s, &x.account, log);
    edn_devlog_free(log);
    return st == EDN_OK ? statement_keep(s, &h->device, &x) : st;
}

edn_status member_apply(edn_client *s, const edn_batch_header *h, const edn_record *r, edn_bytes ops)
{
    return r->type == EDN_RECORD_MEMBER ? apply_member(s, h, r, ops) : apply_statement(s, h, r, ops);
}

edn_status member_may_write(edn_client *s, const edn_device_id *device)
{
    edn_statement x;

    return statement_load(s, device, &x);
}
