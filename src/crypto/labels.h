/* Every label that is hashed, signed or derived under, in one table: a test walks it and fails on duplicates.
 *
 * One label a use. A message made for one use can therefore never be taken for another (SECURITY: A21). */
#ifndef EDN_CRYPTO_LABELS_H
#define EDN_CRYPTO_LABELS_H

#define EDN_LABELS(X)                                                                                                  \
    X(DEVID, "EDNv1/devid")                                                                                            \
    X(DEVNAME, "EDNv1/devname")                                                                                        \
    X(HASH_LINK, "EDNv1/hash/link")                                                                                    \
    X(HASH_BATCH, "EDNv1/hash/batch")                                                                                  \
    X(HASH_INDEXED, "EDNv1/hash/indexed")                                                                              \
    X(HEADS, "EDNv1/heads")                                                                                            \
    X(PINS, "EDNv1/pins")                                                                                              \
    X(SIG_LINK, "EDNv1/sig/link")                                                                                      \
    X(SIG_SPACE, "EDNv1/sig/space")                                                                                    \
    X(SIG_POP, "EDNv1/sig/pop")                                                                                        \
    X(SIG_AIK, "EDNv1/sig/aik")                                                                                        \
    X(SIG_BATCH, "EDNv1/sig/batch")                                                                                    \
    X(SIG_LOGIN, "EDNv1/sig/login")                                                                                    \
    X(SIG_RECEIPT, "EDNv1/sig/receipt")                                                                                \
    X(SIG_RECOVERY_CANCEL, "EDNv1/sig/recovery-cancel")                                                                \
    X(ETAG, "EDNv1/etag")                                                                                              \
    X(ACCOUNT_NAME, "EDNv1/account-name")                                                                              \
    X(SEAL, "EDNv1/seal")                                                                                              \
    X(HEDGE, "EDNv1/hedge")                                                                                            \
    X(NONCE, "EDNv1/nonce")                                                                                            \
    X(MUK, "EDNv1/muk")                                                                                                \
    X(RK_META, "EDNv1/rk/meta")                                                                                        \
    X(RK_INDEX, "EDNv1/rk/index")                                                                                      \
    X(RK_SSE, "EDNv1/rk/sse")                                                                                          \
    X(RK_DEDUP, "EDNv1/rk/dedup")                                                                                      \
    X(RK_PUSH, "EDNv1/rk/push")                                                                                        \
    X(RK_SPACE, "EDNv1/rk/space")                                                                                      \
    X(RK_AEK, "EDNv1/rk/aek")                                                                                          \
    X(RK_GRANT_PSK, "EDNv1/rk/grant-psk")                                                                              \
    X(RK_PREV_EPOCH, "EDNv1/rk/prev-epoch")                                                                            \
    X(RK_JOURNAL_WRAP, "EDNv1/rk/journal-wrap")                                                                        \
    X(RK_PROBE, "EDNv1/rk/probe")                                                                                      \
    X(JK_ENTRY, "EDNv1/jk/entry")                                                                                      \
    X(SPACE_PERSONAL, "EDNv1/space/personal")                                                                          \
    X(JOURNAL_FIRST, "EDNv1/journal/first")                                                                            \
    X(AAD_ROOT, "EDNv1/aad/root")                                                                                      \
    X(AAD_PREV, "EDNv1/aad/prev")                                                                                      \
    X(AAD_JK, "EDNv1/aad/jk")                                                                                          \
    X(AAD_REC, "EDNv1/aad/rec")                                                                                        \
    X(AAD_STORE, "EDNv1/aad/store")                                                                                    \
    X(AAD_SHARD, "EDNv1/aad/shard")                                                                                    \
    X(INDEX_BLOB, "EDNv1/index/blob")                                                                                  \
    X(AAD_SLOT, "EDNv1/aad/slot")                                                                                      \
    X(AAD_LOCK, "EDNv1/aad/lock")                                                                                      \
    X(AAD_LOCK_SECRET, "EDNv1/aad/lock-secret")                                                                        \
    X(GRANT_INFO, "EDNv1/grant/info")                                                                                  \
    X(GRANT_AAD, "EDNv1/grant/aad")                                                                                    \
    X(GRANT_PSK, "EDNv1/grant/psk")                                                                                    \
    X(RECOVERY, "EDNv1/recovery")                                                                                      \
    X(AAD_RECOVERY, "EDNv1/aad/recovery")                                                                              \
    X(SHARE, "EDNv1/share")                                                                                            \
    X(SHARE_REQUEST, "EDNv1/share/request")                                                                            \
    X(SHARE_GIVE, "EDNv1/share/give")                                                                                  \
    X(PAIR_COMMIT, "EDNv1/pair/commit")                                                                                \
    X(PAIR_TH, "EDNv1/pair/th")                                                                                        \
    X(PAIR_KEY, "EDNv1/pair/key")                                                                                      \
    X(PAIR_SAS, "EDNv1/pair/sas")                                                                                      \
    X(PAIR_CODE, "EDNv1/pair/code")                                                                                    \
    X(PAIR_CPACE, "EDNv1/pair/cpace")                                                                                  \
    X(PAIR_RENDEZVOUS, "EDNv1/pair/rendezvous")                                                                        \
    X(PAIR_ANNOUNCE, "EDNv1/pair/announce")                                                                            \
    X(PAIR_GRANT, "EDNv1/pair/grant-psk")                                                                              \
    X(AAD_PAIR, "EDNv1/aad/pair")                                                                                      \
    X(HEAD_CODE, "EDNv1/head-code")                                                                                    \
    X(FINGERPRINT, "EDNv1/fp")                                                                                         \
    X(SIG_MEMBER, "EDNv1/sig/member")                                                                                  \
    X(SPACE_SIGN, "EDNv1/space/sign")                                                                                  \
    X(SECRET, "EDNv1/secret")                                                                                          \
    X(SPACE_ENC, "EDNv1/space/enc")                                                                                    \
    X(CARD, "EDNv1/card")                                                                                              \
    X(SIG_LETTER, "EDNv1/sig/letter")                                                                                  \
    X(LETTER_INFO, "EDNv1/letter/info")                                                                                \
    X(LETTER_AAD, "EDNv1/letter/aad")                                                                                  \
    X(SLOT_PASSPHRASE, "EDNv1/slot/passphrase")                                                                        \
    X(SLOT_KEYRING, "EDNv1/slot/keyring")                                                                              \
    X(SLOT_TPM, "EDNv1/slot/tpm")                                                                                      \
    X(SLOT_FIDO2, "EDNv1/slot/fido2")                                                                                  \
    X(LOCK_WRAP, "EDNv1/lock/wrap")                                                                                    \
    X(LOCK_SECRET, "EDNv1/lock/secret")                                                                                \
    X(LOCK_SIGN, "EDNv1/lock/sign")                                                                                    \
    X(LOCK_ENC, "EDNv1/lock/enc")                                                                                      \
    X(STORE_VALUE, "EDNv1/store/value")                                                                                \
    X(STORE_NAME, "EDNv1/store/name")                                                                                  \
    X(STORE_ROW, "EDNv1/store/row")                                                                                    \
    X(STORE_SHARED, "EDNv1/store/shared")                                                                              \
    X(STORE_LOCKED, "EDNv1/store/locked")                                                                              \
    X(STORE_OPEN, "EDNv1/store/open")                                                                                  \
    X(FAKE, "EDNv1/server/fake")                                                                                       \
    X(PSEUDONYM, "EDNv1/server/pseudonym")                                                                             \
    X(SERVER_KEY, "EDNv1/server/key")                                                                                  \
    X(SERVER_SUBJECT, "EDNv1/server/subject")                                                                          \
    X(SERVER_NONCE, "EDNv1/server/nonce")                                                                              \
    X(SERVER_TOKEN, "EDNv1/server/token")                                                                              \
    X(SERVER_PROBE, "EDNv1/server/probe")                                                                              \
    X(SERVER_BLOB, "EDNv1/server/blob")                                                                                \
    X(SERVER_BATCH, "EDNv1/server/batch")

#define EDN_LABEL_DECLARE(name, text) static const char EDN_LABEL_##name[] __attribute__((unused)) = text;
EDN_LABELS(EDN_LABEL_DECLARE)
#undef EDN_LABEL_DECLARE

#endif
