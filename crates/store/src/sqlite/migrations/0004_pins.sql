-- PINs are handed out in batches; a PIN in a batch waits only to be confirmed.
alter table pin add column batch integer;
create table pin_batch (
    id              integer primary key autoincrement,
    partnership     integer not null references partnership (id),
    at              integer not null,
    who             text    not null,
    pins            integer not null,
    confirmed_at    integer,
    confirmed_by    text
) strict;
create index pin_batch_by_partnership on pin_batch (partnership);
