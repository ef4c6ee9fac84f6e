from tests.integration import test_model as m
def test_many(redis7):
    m.run_machine(redis7.url, 250)
def test_many_cluster(redis_cluster):
    m.run_machine(redis_cluster.url, 25)
